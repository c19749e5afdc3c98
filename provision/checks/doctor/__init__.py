"""From symptoms to the likely cause: rules over what was looked at, each with the lines that tell it. Pure."""
