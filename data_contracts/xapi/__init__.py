"""Statement rules and vocabularies as data: verbs, activity types, strands."""
