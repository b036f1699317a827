"""DataGate: the run goes on only with data that keeps the contract."""
