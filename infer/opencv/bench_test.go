package opencv

import (
	"fmt"
	"testing"

	"dashline/infer"
)

// BenchmarkForward: go test ./infer/opencv -run xxx -bench Forward
func BenchmarkForward(b *testing.B) {
	for _, r := range real {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", r.graph, threads), func(b *testing.B) {
				n := mustOpen(b, realModel(b, r.graph), infer.Options{Threads: threads})
				b.ReportAllocs()
				for b.Loop() {
					if _, err := n.Forward(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
