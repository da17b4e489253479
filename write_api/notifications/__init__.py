"""What people are told by mail: queued in the transaction of what it tells, sent when that is durable."""
