package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"dashline/internal/regular"
	"dashline/internal/strictyaml"
)

// cameraFile is a YAML file with flags of dashline camera: its values are used
// where a flag is not given. The keys are the flags' names with underscores.
type cameraFile string

// BeforeResolve is called by kong.
func (cameraFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(cameraFile)
	if !ok || path == "" {
		return nil
	}
	values, err := path.read()
	if err != nil {
		return err
	}
	ctx.AddResolver(values)
	return nil
}

// read gives what the file sets, as kong takes it.
func (f cameraFile) read() (fileValues, error) {
	file, err := regular.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f, err)
	}
	var c cameraCmd
	set, err := strictyaml.Decode(string(f), data, &c)
	if err != nil {
		return nil, err
	}
	if err := c.Faults.Validate(); err != nil { // what the types cannot say
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	values := fileValues{}
	for _, k := range strictyaml.Fields(reflect.ValueOf(&c).Elem()) {
		if _, ok := set[k.Key]; !ok {
			continue
		}
		flag := strings.ReplaceAll(k.Key, "_", "-")
		switch v := k.Value.Interface().(type) {
		case bool:
			values[flag] = v
		case []string: // none: the default
			if len(v) > 0 {
				values[flag] = strings.Join(v, ",")
			}
		default:
			values[flag] = fmt.Sprint(v)
		}
	}
	return values, nil
}

// fileValues are what a file sets, by the name of the flag. It is a kong.Resolver.
type fileValues map[string]any

// Validate has nothing left to do: the file was held against the struct.
func (fileValues) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value for a flag, nil where it has none.
func (v fileValues) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return v[flag.Name], nil
}
