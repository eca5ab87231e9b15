"""What every table is: fields, tables, statement rules, features. Imports nothing of the other packages."""
