"""Write side: how calls come in, what they say, where they are kept, what they cost."""
