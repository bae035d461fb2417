package camera

import (
	"flag"
	"testing"

	"dashline/internal/testkit"
)

// Tests here wait for films more than they compute, so more of them run at once
// than there are cores.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testkit.Main(m)
}
