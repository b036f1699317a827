"""RadiographExampleGen: a folder of films becomes examples in train, eval and test."""
