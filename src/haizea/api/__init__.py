"""Front doors over the network: REST, the event stream, webhooks, XML-RPC, figures, and who is let in."""
