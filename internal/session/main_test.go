package session

import (
	"testing"

	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
