"""Numbers of running sweeps for Prometheus, and a dashboard of Grafana that shows them."""
