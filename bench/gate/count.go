package gate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"dashline/internal/plain"
)

// Perf counts the instructions that processes retire outside of the kernel, by
// `perf stat`. They are the same on a busy machine and a quiet one, but for what
// the program itself does by the clock.
type Perf struct{ program string }

// ErrNoPerf is where instructions cannot be counted.
var ErrNoPerf = errors.New("instructions are not counted here")

const event = "instructions:u"

// grace is how long perf has to end.
const grace = 5 * time.Second

// FindPerf tries whether perf is there and the machine counts. The error is an
// [ErrNoPerf] that says why not.
func FindPerf(ctx context.Context) (*Perf, error) {
	program, err := exec.LookPath("perf")
	if err != nil {
		return nil, fmt.Errorf("%w: there is no perf", ErrNoPerf)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// On this process, and in the way that is needed: perf before 5.10 takes no orders.
	p := &Perf{program}
	c, err := p.attach(ctx, os.Getpid())
	if err == nil {
		_, err = c.stop()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPerf, err)
	}
	return p, nil
}

// instructionsIn reads what perf stat -x , wrote.
func instructionsIn(out []byte) (float64, error) {
	for line := range bytes.Lines(out) {
		fields := strings.Split(string(line), ",")
		if len(fields) < 3 || fields[2] != event {
			continue
		}
		n, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("perf says %s", plain.Line(fields[0]))
		}
		return float64(n), nil
	}
	return 0, fmt.Errorf("perf gave no count: %s", end(out))
}

// end is that of what perf wrote.
func end(out []byte) string {
	last := bytes.TrimSpace(out)
	if len(last) > 200 {
		last = last[len(last)-200:]
	}
	return plain.Line(string(last))
}

// counting is perf while it counts one process.
type counting struct {
	cmd      *exec.Cmd
	orders   *os.File
	answers  *bufio.Reader
	closing  []io.Closer
	out      bytes.Buffer
	finished bool
}

// attach makes perf ready to count a process, and starts it once it says that it is.
func (p *Perf) attach(ctx context.Context, pid int) (c *counting, err error) {
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answers, theirAnswers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirOrders.Close(), orders.Close())
	}
	c = &counting{orders: orders, answers: bufio.NewReader(answers), closing: []io.Closer{orders, answers}}
	c.cmd = exec.CommandContext(ctx, p.program, "stat", "-x", ",", "-e", event, "-D", "-1", "--control", "fd:3,4", "-p", strconv.Itoa(pid))
	c.cmd.ExtraFiles = []*os.File{theirOrders, theirAnswers}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	c.cmd.WaitDelay = time.Second
	err = c.cmd.Start()
	_ = theirOrders.Close()
	_ = theirAnswers.Close()
	if err != nil {
		c.close()
		return nil, fmt.Errorf("perf: %w", err)
	}
	if err := c.ask("enable"); err != nil {
		c.close()
		return nil, fmt.Errorf("%w: %s", err, end(c.out.Bytes()))
	}
	return c, nil
}

// ask gives perf an order and waits until it is followed.
func (c *counting) ask(order string) error {
	if _, err := io.WriteString(c.orders, order+"\n"); err != nil {
		return fmt.Errorf("perf: %w", err)
	}
	line, err := c.answers.ReadString('\n')
	if err != nil || strings.Trim(line, "\x00\n") != "ack" {
		return fmt.Errorf("perf did not %s its count: %w", order, errors.Join(err, errors.New(plain.Line(line))))
	}
	return nil
}

// stop ends the count and returns it.
func (c *counting) stop() (float64, error) {
	if err := c.ask("disable"); err != nil {
		return 0, err
	}
	c.close()
	return instructionsIn(c.out.Bytes())
}

// close ends perf.
func (c *counting) close() {
	if c.finished {
		return
	}
	c.finished = true
	if c.cmd.Process != nil {
		_ = c.cmd.Process.Signal(os.Interrupt) // is how it ends
		_ = c.orders.Close()                   // so that waiting for another order keeps it from nothing
		kill := time.AfterFunc(grace, func() { _ = c.cmd.Process.Kill() })
		_ = c.cmd.Wait()
		kill.Stop()
	}
	for _, x := range c.closing {
		_ = x.Close()
	}
}
