package gate

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

// repository is one with two commits of a program: the first builds, the second
// does not.
func repository(t *testing.T) (root string) {
	t.Helper()
	git := testkit.Program(t, "git")
	root = t.TempDir()
	do := func(args ...string) {
		t.Helper()
		cmd := exec.Command(git, append([]string{"-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do("init", "-q")
	write("go.mod", "module x\n\ngo 1.21\n")
	write("cmd/dashline/main.go", "package main\n\nfunc main() { println(\"first\") }\n")
	do("add", ".")
	do("commit", "-q", "-m", "a")
	do("tag", "first")
	write("cmd/dashline/main.go", "package main\n\nfunc main() { nothing() }\n")
	do("commit", "-q", "-a", "-m", "b")
	return root
}

// leftovers are the checkouts that a repository knows beside its own.
func leftovers(t *testing.T, root string) int {
	t.Helper()
	cmd := exec.Command("git", "worktree", "list", "--porcelain")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(out), "worktree ") - 1
}

func TestPrepareRevision(t *testing.T) {
	root := repository(t)
	t.Setenv("TMPDIR", t.TempDir())
	var said []string
	b, done, err := Prepare(t.Context(), root, "first", func(s string) { said = append(said, s) })
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(b.Path).CombinedOutput()
	if err != nil || string(out) != "first\n" {
		t.Errorf("%v: %q", err, out)
	}
	if len(said) != 2 || leftovers(t, root) != 1 {
		t.Errorf("said %q, %d checkouts", said, leftovers(t, root))
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 || leftovers(t, root) > 0 {
		t.Errorf("%v is left, and %d checkouts", left, leftovers(t, root))
	}
}

func TestPrepareBuildThatFails(t *testing.T) {
	root := repository(t)
	t.Setenv("TMPDIR", t.TempDir())
	_, done, err := Prepare(t.Context(), root, "HEAD", nil)
	if err == nil || !strings.Contains(err.Error(), "build HEAD") || !strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("%v", err)
	}
	if err := done(); err != nil || leftovers(t, root) > 0 {
		t.Errorf("%v, %d checkouts are left", err, leftovers(t, root))
	}
}

// Who presses Ctrl-C leaves no checkout behind.
func TestPrepareInterrupted(t *testing.T) {
	root := repository(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	_, done, err := Prepare(ctx, root, "first", func(what string) {
		if strings.HasPrefix(what, "building") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := done(); err != nil || leftovers(t, root) > 0 {
		t.Errorf("%v, %d checkouts are left", err, leftovers(t, root))
	}
}

func TestPrepareWhatIsNone(t *testing.T) {
	root := repository(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"nothing-like-it": "neither a program nor a revision",
		"--upload-pack=x": "neither a program nor a revision",
		"HEAD~7":          "neither a program nor a revision",
		text:              "not a program",
		t.TempDir():       "not a program",
	} {
		_, done, err := Prepare(t.Context(), root, name, nil)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := Prepare(t.Context(), t.TempDir(), "HEAD", nil); err == nil {
		t.Error("a revision where there is no repository")
	}
}
