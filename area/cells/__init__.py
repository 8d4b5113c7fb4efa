"""Library cells: Liberty files, timing and energy tables, technologies and their YAML files."""
