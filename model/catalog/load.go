package catalog

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dashline/internal/regular"
	"dashline/internal/strictyaml"
	"dashline/internal/suggest"
)

//go:embed networks/*.yaml
var networks embed.FS

//go:embed classes.yaml
var classes []byte

// maxDescription bounds a description's file.
const maxDescription = 64 << 10

// Names lists the descriptions that come with the program, sorted.
func Names() []string {
	entries, err := networks.ReadDir("networks")
	if err != nil {
		panic("catalog: " + err.Error()) // embedded at build time
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	slices.Sort(names)
	return names
}

// UnknownError says that no description has a name.
type UnknownError struct {
	Name    string
	Nearest string // the name that was probably meant, or empty
}

func (e *UnknownError) Error() string {
	msg := fmt.Sprintf("unknown network %q", e.Name)
	if e.Nearest != "" {
		return msg + fmt.Sprintf(": did you mean %s?", e.Nearest)
	}
	return msg + ": dashline networks lists them; a path to a description ends in .yaml"
}

// Get returns a description that comes with the program, without regard to
// case. Its Dir is empty: see [Network.Locate].
func Get(name string) (Network, error) {
	slug := strings.ToLower(name)
	names := Names()
	if !slices.Contains(names, slug) {
		return Network{}, &UnknownError{Name: name, Nearest: suggest.Nearest(name, names)}
	}
	file := path.Join("networks", slug+".yaml")
	data, err := networks.ReadFile(file)
	if err != nil {
		return Network{}, err
	}
	return decode(file, data)
}

// Load reads a user's own description. The paths of its files start in the
// description's folder.
func Load(file string) (Network, error) {
	f, err := regular.Open(file)
	if err != nil {
		return Network{}, fmt.Errorf("open description: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDescription+1))
	if err != nil {
		return Network{}, fmt.Errorf("read description: %w", err)
	}
	if len(data) > maxDescription {
		return Network{}, fmt.Errorf("%s: is longer than %d bytes, which no description is", file, maxDescription)
	}
	n, err := decode(file, data)
	n.Dir = filepath.Dir(file)
	return n, err
}

// IsPath says whether a reference is a path to a description rather than a name.
func IsPath(ref string) bool {
	ext := strings.ToLower(filepath.Ext(ref))
	return ext == ".yaml" || ext == ".yml" || strings.ContainsAny(ref, `/\`)
}

// Resolve finds a network by the name of a description that comes with the
// program or by the path of a user's own, and finds the folder of its files:
// the description's own (for a user's), then dirs, or [SearchDirs] where none
// are given. Where the files are in none of them the error is a
// [*MissingError] and the description is returned with it.
func Resolve(ref string, dirs ...string) (Network, error) {
	n, err := find(ref)
	if err != nil {
		return Network{}, err
	}
	n, err = n.Locate(dirs...)
	var missing *MissingError
	if errors.As(err, &missing) && IsPath(ref) {
		missing.Ref = ref
	}
	return n, err
}

func find(ref string) (Network, error) {
	if IsPath(ref) {
		return Load(ref)
	}
	return Get(ref)
}

func decode(file string, data []byte) (Network, error) {
	var n Network
	keys, err := strictyaml.Decode(file, data, &n)
	if err != nil {
		return Network{}, err
	}
	for _, must := range []string{"name", "task", "format", "files", "input.width", "input.height",
		"input.resize", "input.color", "input.scale", "decode.kind"} {
		if _, ok := keys[must]; !ok {
			return Network{}, &strictyaml.Error{File: file, Msg: "key " + must + " is missing"}
		}
	}
	if n.Classes, err = expand(n.Classes); err != nil {
		return Network{}, fmt.Errorf("%s: %w", file, err)
	}
	if err := n.Validate(); err != nil {
		return Network{}, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

// expand replaces the name of a built-in class list by the list.
func expand(names []string) ([]string, error) {
	if len(names) != 1 || !strings.HasPrefix(names[0], "@") {
		return names, nil
	}
	var lists struct {
		COCO []string `yaml:"coco"`
		VOC  []string `yaml:"voc"`
	}
	if _, err := strictyaml.Decode("classes.yaml", classes, &lists); err != nil {
		return nil, err
	}
	switch names[0] {
	case "@coco":
		return lists.COCO, nil
	case "@voc":
		return lists.VOC, nil
	}
	return nil, errors.New("classes: unknown list " + names[0] + ": known are @coco and @voc")
}
