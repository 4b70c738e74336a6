"""What the API answers, as types: they document the answers and check nothing while serving.

Routes build their bodies themselves and send them as bytes; ``tests/web/test_schemas_served.py`` holds what a real
service sends against these models, so that neither can move without the other.
"""
