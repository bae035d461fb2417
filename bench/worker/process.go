package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"dashline/internal/plain"
)

// Process is a worker that runs, seen from the measuring side. It belongs to one
// goroutine.
type Process struct {
	Name   string // for people
	ctx    context.Context
	cmd    *exec.Cmd
	orders io.WriteCloser
	lines  *bufio.Scanner
	stderr *tail
}

// maxAnswer bounds a worker's line: a block of many frames.
const maxAnswer = 256 << 20

// Start starts a worker of a binary, which ends when ctx does. The caller closes it.
func Start(ctx context.Context, name, binary string) (*Process, error) {
	p := &Process{Name: name, ctx: ctx, cmd: exec.CommandContext(ctx, binary, "bench", "worker"), stderr: &tail{}}
	p.cmd.Stderr = p.stderr
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(out)
	p.lines.Buffer(make([]byte, 0, 1<<20), maxAnswer)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// OrderError is an order that a worker did not follow.
type OrderError struct {
	Worker string
	Usage  bool // what was asked for is wrong
	Text   string
}

func (e *OrderError) Error() string { return e.Worker + ": " + e.Text }

// Ask sends an order and waits for the answer. An [*OrderError] is what the worker
// says; after any error it takes no more orders.
func (p *Process) Ask(o Order) (a Answer, err error) {
	line, err := json.Marshal(o)
	if err != nil {
		return a, err
	}
	if _, err := p.orders.Write(append(line, '\n')); err != nil {
		return a, p.gone(err)
	}
	if !p.lines.Scan() {
		return a, p.gone(p.lines.Err())
	}
	if err := json.Unmarshal(p.lines.Bytes(), &a); err != nil {
		return a, fmt.Errorf("%s: an answer that cannot be read (is it a build with dashline bench?): %w", p.Name, err)
	}
	if a.Error != "" {
		return a, &OrderError{p.Name, a.Usage, plain.Lines(a.Error)}
	}
	return a, nil
}

// gone says why a worker answers no more.
func (p *Process) gone(err error) error {
	if cause := context.Cause(p.ctx); cause != nil {
		return fmt.Errorf("%s: %w", p.Name, cause)
	}
	text := p.stderr.String()
	if text == "" {
		text = "without a word"
	}
	return errors.Join(fmt.Errorf("%s: the process that is measured ended: %s", p.Name, plain.Lines(text)), err)
}

// grace is how long a worker has to end by itself.
const grace = 5 * time.Second

// Close ends the worker if it still runs, and waits for it.
func (p *Process) Close() {
	_ = p.orders.Close()
	kill := time.AfterFunc(grace, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait() // what went wrong has been answered
}

// tail keeps the end of what is written to it. Its methods may be called from any
// goroutine.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

// Write keeps the end of b.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// PID is the worker's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }
