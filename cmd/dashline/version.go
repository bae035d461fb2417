package main

import (
	"encoding/json"
	"fmt"

	"dashline/internal/version"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (versionCmd) Help() string {
	return `Examples:
  dashline version
  dashline version --json | jq -r .commit`
}

// Run prints the version.
func (c *versionCmd) Run(out streams) error {
	v := version.Read()
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(v)
	}
	commit := v.Commit
	switch {
	case commit == "":
		commit = "unknown"
	case v.Modified:
		commit += " with changes"
	}
	_, err := fmt.Fprintf(out.Out, "dashline %s\ncommit   %s\nbuilt by %s for %s\n", v.Version, commit, v.Go, v.Platform)
	return err
}
