"""Clients for studies small enough to work out by hand."""

CLIENTS = """id,country,lat,lon,weight
berlin,DE,52.5,13.4,4
paris,FR,48.9,2.3,3
warsaw,PL,52.2,21.0,2
madrid,ES,40.4,-3.7,1
"""
