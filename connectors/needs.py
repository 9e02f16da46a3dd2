"""Which attributes a question needs of each entry."""

from collima.directory import filters
from collima.directory.ports import Question
from collima.directory.schema import Schema


def needed(question: Question, schema: Schema) -> list[str]:
    """Those whose values are wanted and those that a filter speaks of, with all their subtypes; each by one name.

    Not the attributes of `among`: that is answered where the entries come from.
    """
    names = {base for asked in question.filters for base in filters.attributes(asked)}
    names |= {attribute.partition(";")[0].lower() for attribute in question.attributes}
    found: dict[str, None] = {}
    for name in sorted(names):
        family = [(one.names[0] if one.names else one.oid).lower() for one in schema.family(name)]
        found |= dict.fromkeys(family or [name])
    return list(found)
