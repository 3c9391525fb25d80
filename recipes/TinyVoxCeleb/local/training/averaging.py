"""Average the checkpoints of the last epochs into one network."""

from speechbrain.utils.checkpoints import average_checkpoints


def epoch_of(checkpoint):
    """The epoch that a checkpoint ends, 0 for one within an epoch: what makes it a last one."""
    return checkpoint.meta.get("epoch", 0)


def load_average(checkpointer, modules, count):
    """Load the mean parameters of the checkpoints of the last epochs.

    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018,
    average epochs too.

    Arguments
    ---------
    checkpointer : speechbrain.utils.checkpoints.Checkpointer
    modules : torch.nn.ModuleDict
        By the names of the recoverables. Running statistics of batch normalisation are averaged as
        parameters are; modules without parameters stay as they are.
    count : int
        Checkpoints to average at the most.

    Returns
    -------
    int
        How many there were.
    """
    checkpoints = checkpointer.find_checkpoints(
        importance_key=epoch_of, ckpt_predicate=epoch_of, max_num_checkpoints=count
    )
    for name, module in modules.items():
        if name in checkpointer.recoverables and any(True for _ in module.parameters()):
            module.load_state_dict(average_checkpoints(checkpoints, name))
    return len(checkpoints)
