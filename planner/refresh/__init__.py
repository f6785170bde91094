"""``edgeplan catalog refresh``: a catalog brought up to what the cloud's own APIs say today.

cloud.py, faults.py     ask AWS, page by page; every failure is one error in words           [I/O]
answers.py              what was answered, and who did not answer
price_items.py          items of the price list -> prices
site_rows.py, offer_rows.py, price_rows.py    rows of a catalog and answers -> rows and changes
comparison.py           all of a provider's files, old and new
versions.py             a directory of files that is replaced whole, or not at all           [I/O]
report.py, command.py   what a person reads; the command
"""
