"""Parts of the study of claims: what is trained for them, and the table of verdicts."""
