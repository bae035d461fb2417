// Package version says which program this is.
package version

import (
	"runtime"
	"runtime/debug"
)

// Build is what a build knows about itself.
type Build struct {
	Version  string `json:"version"`  // of the module; "(devel)" outside of a release
	Commit   string `json:"commit"`   // empty where the build saw no repository
	Modified bool   `json:"modified"` // the tree had changes that are not in the commit
	Time     string `json:"time"`     // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Read reads it out of the running program.
func Read() Build {
	v := Build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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

// Name tells this build from others in a word: its version, and the commit where
// that is of no release.
func (b Build) Name() string {
	if b.Commit == "" || b.Version != "(devel)" {
		return b.Version
	}
	return b.Version + "-" + b.Commit
}
