"""The API's reference at ``/docs``: one HTML page made from the OpenAPI document, without a script.

It works in a closed network and under the strictest Content-Security-Policy.
"""
