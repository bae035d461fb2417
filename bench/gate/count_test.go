package gate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

// perf puts a program of that name on the path: a machine that counts may not be
// there.
func perf(t *testing.T, script string) {
	t.Helper()
	sh := testkit.Program(t, "sh")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "perf"), []byte("#!"+sh+"\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// counts acts as perf stat does: with --control it answers orders, and at an
// interrupt it prints what it counted between enable and disable.
const counts = `trap 'echo "$n,,instructions:u,100,100.00,," >&2; exit 130' INT
n=0
while read -r order <&3; do
	[ "$order" = disable ] && n=${COUNTED:-123456}
	echo ack >&4
done
`

func TestPerf(t *testing.T) {
	perf(t, counts)
	p, err := FindPerf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.attach(t.Context(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.stop(); err != nil || n != 123456 {
		t.Errorf("%v, %v", n, err)
	}
	c.close() // again, as who measures does
}

func TestNoPerf(t *testing.T) {
	for name, tt := range map[string]struct{ script, says string }{
		"a machine that does not count": {"COUNTED='<not supported>'\n" + counts, "<not supported>"},
		"a perf that takes no orders":   {`echo "Error: unknown option control" >&2; exit 129`, "unknown option"},
		"a user who may not":            {`echo "Error: Access to performance monitoring is limited" >&2; exit 255`, "limited"},
	} {
		t.Run(name, func(t *testing.T) {
			perf(t, tt.script)
			if _, err := FindPerf(t.Context()); !errors.Is(err, ErrNoPerf) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := FindPerf(t.Context()); !errors.Is(err, ErrNoPerf) {
			t.Errorf("%v", err)
		}
	})
}

// perf that ends before it counts is an error, not a wait.
func TestPerfThatDies(t *testing.T) {
	perf(t, "exit 1")
	testkit.Promptly(t, func() {
		if _, err := FindPerf(t.Context()); !errors.Is(err, ErrNoPerf) {
			t.Error(err)
		}
	})
}
