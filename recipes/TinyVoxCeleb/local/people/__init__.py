"""What a person does with a trained network: enrol, verify, identify, listen."""
