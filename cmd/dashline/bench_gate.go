package main

import (
	"context"
	"time"

	"dashline/bench/gate"
)

type x struct{}

var _ = context.Background
var _ = time.Now
var _ gate.Options
