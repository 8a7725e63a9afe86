"""A Pulumi provider with the name of the vendor's azure-native, for the emulator alone.

``service`` speaks gRPC with the engine, ``resources`` knows what becomes of a resource, ``properties`` compares and carries
arguments. What a request to Azure looks like is ``infra.table``'s, what cannot be changed in place ``infra.replacing``'s.
"""
