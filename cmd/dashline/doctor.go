package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"golang.org/x/term"

	"dashline/internal/config"
	"dashline/internal/doctor"
	"dashline/internal/session"
)

type doctorCmd struct {
	Config string `short:"c" placeholder:"FILE" help:"Look with the eyes of a run that has this configuration file."`
	JSON   bool   `name:"json" help:"Print one JSON object instead of text for people."`
}

func (doctorCmd) Help() string {
	return `Examples:
  dashline doctor                           what is installed, used and missing
  dashline doctor --config truck7.yaml      the same for a configuration
  dashline doctor --json | jq .libraries    versions, for machines

What needs mending ends with how. The networks are really opened.

Exit codes: 0 all that is needed is there; 1 something is missing; 2 the command line or the configuration is wrong.`
}

func (c *doctorCmd) Run(ctx context.Context, out streams) error {
	cfg := config.Default()
	if c.Config != "" {
		var err error
		if cfg, err = config.Load(c.Config); err != nil {
			return &exit{exitUsage, err}
		}
	}
	var cameras []config.Config
	for _, one := range session.Alone(cfg) {
		one, _ = session.Chosen(one) // a source that is missing is in the report
		rungs, err := session.OnRungs(one)
		if err != nil {
			return &exit{exitUsage, err}
		}
		cameras = append(cameras, rungs...)
	}
	r := doctor.Examine(ctx, cameras...)
	if err := c.print(out.Out, r); err != nil {
		return err
	}
	if !r.OK {
		return &exit{exitBroken, errors.New("")} // the report has said it
	}
	return nil
}

func (c *doctorCmd) print(w io.Writer, r doctor.Report) error {
	if c.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return r.Print(w, doctor.Terminal)
	}
	return r.Print(w, doctor.Plain)
}
