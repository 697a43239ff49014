"""Pictures of what runs leave behind: for the documents, and of everything that a page has to show."""
