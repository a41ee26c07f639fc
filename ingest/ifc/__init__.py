"""IFC models in: intake, child process, georeferencing, semantics, meshes, load."""
