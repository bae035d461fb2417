package main

import (
	"fmt"

	"dashline/internal/config"
)

type configCmd struct {
	File config.File `name:"config" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
	config.Config
	Schema bool `help:"Print the JSON Schema of a configuration file instead."`
}

func (configCmd) Help() string {
	return `Examples:
  dashline config > truck7.yaml                  all keys with their defaults and meaning, to edit
  dashline config -c truck7.yaml                 what a run with this file would use
  dashline config -c truck7.yaml --no-lanes      the same with a flag over it
  dashline config --json | jq .detect            for machines
  dashline config --schema > dashline.schema.json   for editors that check YAML

A flag beats the file, the file beats the default. Users and passwords in addresses are left out, and it is said where.

Exit codes: 0 printed; 2 the command line or the file is wrong.`
}

// Run prints the effective configuration. The key json asks for JSON here as
// it does of a run.
func (c *configCmd) Run(out streams) error {
	show := config.Effective
	switch {
	case c.Schema:
		show = func(*config.Config) ([]byte, error) { return config.Schema() }
	case c.JSON:
		show = config.JSON
	}
	data, err := show(&c.Config)
	if err != nil {
		return &exit{exitUsage, err}
	}
	if _, had := c.WithoutCredentials(); len(had) > 0 && !c.Schema {
		fmt.Fprintf(out.Err, "dashline: %s\n", config.LeftOut(had))
	}
	_, err = fmt.Fprintln(out.Out, trimNewline(data))
	return err
}

func trimNewline(data []byte) string {
	if n := len(data); n > 0 && data[n-1] == '\n' {
		data = data[:n-1]
	}
	return string(data)
}
