package finetune

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dashline/internal/regular"
	"dashline/training"
)

// ErrNoPython says what is missing and how it is got.
var ErrNoPython = errors.New("fine-tuning needs Python 3 with PyTorch, NumPy and OpenCV: apt install python3-torch python3-opencv, " +
	"or pip install torch numpy opencv-python-headless into the python3 on PATH")

// findPython is the Python on PATH, or the distribution's, whichever has what
// the recipe imports.
func findPython(ctx context.Context) (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.CommandContext(ctx, path, "-c", "import torch, numpy, cv2").Run() == nil {
			return path, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return "", ErrNoPython
}

// The recipe's run and its exit status when it has left a checkpoint.
const (
	runName     = "tuned"
	exitStopped = 3
)

// arguments are those of the recipe.
func (o *Options) arguments(dir string, data []string) []string {
	in := o.Network.Input
	args := []string{
		filepath.Join(dir, "recipe", training.Script), "finetune", o.Network.Path("config"), o.Network.Path("weights"),
		"--input", fmt.Sprintf("%dx%d", in.Width, in.Height), "--name", runName,
		"--out", filepath.Join(dir, "runs"), "--cache", filepath.Join(dir, "cache"), "--seed", strconv.FormatUint(o.Seed, 10),
	}
	if o.Teacher != nil {
		args = append(args, "--teacher", o.Teacher.Path("config"), o.Teacher.Path("weights"))
	}
	if o.Minutes > 0 {
		args = append(args, "--minutes", strconv.FormatFloat(o.Minutes, 'g', -1, 64))
	} else {
		args = append(args, "--samples", strconv.Itoa(o.Samples))
	}
	if o.Threads > 0 {
		args = append(args, "--threads", strconv.Itoa(o.Threads))
	}
	if !o.Labelled {
		return append(append(args, "--unlabelled"), data...)
	}
	args = append(append(args, "--data"), data...)
	return append(append(args, "--val"), o.Validate...)
}

// patience is how long the recipe may take to write a checkpoint.
const patience = time.Minute

// recipe runs the recipe until it is done. When ctx ends it is asked to stop.
func recipe(ctx context.Context, python string, args []string, progress func(Step)) error {
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	cmd.Env = append(os.Environ(), "OMP_WAIT_POLICY=passive", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdout = &steps{tell: progress}
	said := &tail{}
	cmd.Stderr = said
	err := cmd.Run()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && failed.ExitCode() == exitStopped:
		return ErrStopped
	case ctx.Err() != nil:
		return fmt.Errorf("fine-tune: the recipe left no checkpoint: %w", ctx.Err())
	}
	return fmt.Errorf("fine-tune: the training recipe failed (%w): %s", err, said)
}

// steps tells of the steps in what the recipe prints.
type steps struct {
	tell func(Step)
	part []byte // of a line
}

func (s *steps) Write(p []byte) (int, error) {
	s.part = append(s.part, p...)
	for {
		line, rest, whole := bytes.Cut(s.part, []byte("\n"))
		if !whole {
			if len(s.part) > bufio.MaxScanTokenSize {
				s.part = nil
			}
			return len(p), nil
		}
		if step, ok := readStep(string(line)); ok && s.tell != nil {
			s.tell(step)
		}
		s.part = rest
	}
}

// readStep reads a line of the recipe's progress.
func readStep(line string) (Step, bool) {
	var s Step
	n, _ := fmt.Sscanf(line, runName+" step %d/%d loss %g %g samples/s %g min left", &s.Done, &s.Of, &s.Loss, &s.Speed, &s.Left)
	return s, n == 5 && s.Of > 0
}

// tail keeps the end of what was written to it.
type tail struct{ text []byte }

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }

func digest(path string) (string, error) {
	f, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
