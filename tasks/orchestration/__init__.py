"""Running DVC's stages as children: processes, their slots and cores, and the services they report to."""
