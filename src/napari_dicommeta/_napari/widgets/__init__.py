"""All Qt code lives here. A widget imports no other widget, except `dock`."""
