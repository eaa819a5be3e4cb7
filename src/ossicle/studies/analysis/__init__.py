"""What all studies share: from outcomes to cells, tables, sentences and claims."""
