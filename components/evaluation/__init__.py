"""What the Evaluator runs beside TFMA: the decision of a served answer, a metric for gates."""
