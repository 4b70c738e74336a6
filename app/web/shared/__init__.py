"""What every route uses: errors, bodies, streams, access and the services behind them."""
