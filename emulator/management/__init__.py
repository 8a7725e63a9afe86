"""Azure Resource Manager: ids, resource types, generic reading and writing, long operations, templates.

Knows no resource type's own rules.
"""
