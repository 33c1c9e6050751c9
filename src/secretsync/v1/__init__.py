"""The API's messages and stubs, generated from protos/ by `make protos`; never edited by hand."""
