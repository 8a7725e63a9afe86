"""The parts of a stack, one file each: frozen arguments, a component, its children and outputs."""
