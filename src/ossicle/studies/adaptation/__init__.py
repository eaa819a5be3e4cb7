"""Parts of the study of domains: what it trains, and the analysis of what is gained and lost."""
