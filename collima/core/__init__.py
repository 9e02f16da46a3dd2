"""Ground floor: the model, errors, option types, ports, guard and engine. Standard library only."""
