package catalog

import (
	"fmt"
	"path/filepath"
	"strings"
)

// DataName names pictures as [Accuracy.Data] does, of which every Nth was taken:
// what comes with the program, or lies in the folder of assets, is called the same
// on all machines; anything else is called by its path as given.
func DataName(paths []string, every int) string {
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = dataName(p)
	}
	name := strings.Join(names, " + ")
	if every > 1 {
		name += fmt.Sprintf(", 1 frame of %d", every)
	}
	return name
}

func dataName(path string) string {
	if rel, ok := below(Shipped(), path); ok {
		return "testdata/" + rel
	}
	if rel, ok := below(Assets(), path); ok {
		return rel + " under DASHLINE_ASSETS"
	}
	return filepath.ToSlash(filepath.Clean(path))
}

// below is path as it is called in a folder that it lies in; not ok where that is
// none, or it lies elsewhere.
func below(folder, path string) (rel string, ok bool) {
	if folder == "" {
		return "", false
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", false
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", false
	}
	rel, err = filepath.Rel(folder, path)
	return filepath.ToSlash(rel), err == nil && filepath.IsLocal(rel)
}
