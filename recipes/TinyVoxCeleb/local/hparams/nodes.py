"""What an hparams file holds, as the YAML it is: without making any object."""

import yaml


def top_level(text: str) -> dict[str, yaml.Node]:
    """The YAML node of each top-level key."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise yaml.YAMLError("expected keys and values, as in `epochs: 30`")
    return {key.value: value for key, value in root.value}


def settings(text: str) -> dict[str, str]:
    """Every value of an hparams file as text, by the keys that lead to it.

    An object has its tag under its own key. An alias counts as what it stands for.

    Example
    -------
    >>> settings("epochs: 30 # of 3 s crops\\nnet: !new:models.Net\\n  sizes: [1, 2]\\n  name: a#1")
    {'epochs': '30', 'net': '!new:models.Net', 'net.sizes': '[1, 2]', 'net.name': 'a#1'}
    """
    return {
        name: value for key, node in top_level(text).items() for name, value in _values(node, key)
    }


def plain_values(text: str) -> dict:
    """The numbers, texts and truth values of an hparams file that are top-level keys.

    Example
    -------
    >>> plain_values("epochs: 30\\nrun: 'a #1'\\nrate: !ref <epochs>")
    {'epochs': 30, 'run': 'a #1'}
    """
    return {
        key: yaml.safe_load(yaml.serialize(node))
        for key, node in top_level(text).items()
        if isinstance(node, yaml.ScalarNode) and not node.tag.startswith("!")
    }


def _values(node, name):
    if isinstance(node, yaml.ScalarNode) or _is_flat(node):
        yield name, as_text(node)
        return
    if node.tag.startswith("!"):
        yield name, node.tag
    items = node.value if isinstance(node, yaml.MappingNode) else enumerate(node.value)
    for key, value in items:
        yield from _values(value, f"{name}.{getattr(key, 'value', key)}")


def _is_flat(node):
    return isinstance(node, yaml.SequenceNode) and all(
        isinstance(value, yaml.ScalarNode) for value in node.value
    )


def as_text(node: yaml.Node) -> str:
    """A value as a hparams file has it; a mapping without its values."""
    text = node.value
    if _is_flat(node):
        text = f"[{', '.join(map(as_text, node.value))}]"
    elif not isinstance(node, yaml.ScalarNode):
        text = "{...}" if isinstance(node, yaml.MappingNode) else "[...]"
    return f"{node.tag} {text}".strip() if node.tag.startswith("!") else text
