package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"dashline/internal/plain"
)

// ErrNoBuild is of a name that names none.
var ErrNoBuild = errors.New("give a program or a git revision")

// Prepare makes a program of what names one: the path of a file that can be run, or
// a revision of the git repository that root lies in, which is checked out into a
// folder of its own and built as `make build` does. done removes what was made, and
// is never nil.
func Prepare(ctx context.Context, root, name string, progress func(string)) (b Binary, done func() error, err error) {
	b, commit, err := find(ctx, root, name)
	if err != nil || commit == "" {
		return b, func() error { return nil }, err
	}
	return build(ctx, root, name, commit, progress)
}

// Check says whether Prepare would find what is named, and builds nothing. The error
// is an [ErrNoBuild] where there is none.
func Check(ctx context.Context, root, name string) error {
	_, _, err := find(ctx, root, name)
	return err
}

// find is the program, or the commit, that is named.
func find(ctx context.Context, root, name string) (b Binary, commit string, err error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0:
		path, err := filepath.Abs(name)
		return Binary{name, path}, "", err
	case err == nil && (strings.ContainsRune(name, filepath.Separator) || info.Mode().IsRegular()):
		return b, "", fmt.Errorf("%s: not a program that can be run: %w", name, ErrNoBuild)
	}
	commit, err = run(ctx, root, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		if ctx.Err() != nil {
			return b, "", ctx.Err()
		}
		return b, "", fmt.Errorf("%s: neither a program nor a revision of a git repository here: %w", name, ErrNoBuild)
	}
	return b, commit, nil
}

// build checks a commit out and builds it.
func build(ctx context.Context, root, name, commit string, progress func(string)) (b Binary, done func() error, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	dir, err := os.MkdirTemp("", "dashline-gate-")
	if err != nil {
		return b, func() error { return nil }, err
	}
	src := filepath.Join(dir, "src")
	done = func() error {
		// Also after Ctrl-C.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		_, err := run(ctx, root, "git", "worktree", "remove", "--force", src)
		if _, serr := os.Stat(src); errors.Is(serr, os.ErrNotExist) {
			err = nil // there was none yet
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	progress(fmt.Sprintf("checking %s out (%.12s)", name, commit))
	if _, err := run(ctx, root, "git", "worktree", "add", "--detach", "--quiet", src, commit); err != nil {
		return b, done, fmt.Errorf("check %s out: %w", name, err)
	}
	progress(fmt.Sprintf("building %s (the first time takes minutes: OpenCV's bindings are compiled)", name))
	tool := "go"
	if _, err := exec.LookPath(tool); err != nil {
		tool = "/usr/local/go/bin/go" // where it lies by its own instructions
	}
	b = Binary{Name: name, Path: filepath.Join(dir, "dashline")}
	if _, err := run(ctx, src, tool, "build", "-buildvcs=auto", "-o", b.Path, "./cmd/dashline"); err != nil {
		return b, done, fmt.Errorf("build %s: %w", name, err)
	}
	return b, done, nil
}

// lastLines is how many lines of what a command wrote are in its error.
const lastLines = 15

// run runs a command in a folder and returns what it printed. Its error ends with
// the end of what it wrote.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, all strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &all
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(all.String()+out.String()), "\n")
		if n := len(lines) - lastLines; n > 0 {
			lines = lines[n:]
		}
		return "", fmt.Errorf("%s: %w\n%s", name, err, plain.Lines(strings.Join(lines, "\n")))
	}
	return strings.TrimSpace(out.String()), nil
}
