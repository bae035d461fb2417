package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (versionCmd) Help() string {
	return `Examples:
  dashline version
  dashline version --json | jq -r .commit`
}

// version is what a build knows about itself.
type version struct {
	Version  string `json:"version"`  // of the module; "(devel)" outside of a release
	Commit   string `json:"commit"`   // empty where the build saw no repository
	Modified bool   `json:"modified"` // the tree had changes that are not in the commit
	Time     string `json:"time"`     // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readVersion() version {
	v := version{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "vcs.time":
			v.Time = s.Value
		}
	}
	return v
}

// Run prints the version.
func (c *versionCmd) Run(out streams) error {
	v := readVersion()
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
