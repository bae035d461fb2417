package config

import (
	"fmt"
	"io"
	"reflect"

	"github.com/alecthomas/kong"

	"dashline/internal/regular"
	"dashline/internal/strictyaml"
)

// File is the flag that names the configuration file. A command that has it
// beside an embedded [Config] takes the values of the file where it is not
// given flags:
//
//	type runCmd struct {
//		File config.File `name:"config" short:"c" help:"..."`
//		config.Config `embed:""`
//	}
type File string

// BeforeResolve is called by kong. It reads the file, so that its values are
// used where a flag is absent.
func (f File) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(File)
	if !ok || path == "" {
		return nil
	}
	_, values, err := load(string(path))
	if err != nil {
		return err
	}
	ctx.AddResolver(values)
	return nil
}

// Load reads a configuration file over the defaults.
func Load(file string) (Config, error) {
	c, _, err := load(file)
	return c, err
}

// Parse reads a configuration that name is the name of.
func Parse(name string, data []byte) (Config, error) {
	c, _, err := parse(name, data)
	return c, err
}

func load(file string) (Config, values, error) {
	data, err := read(file)
	if err != nil {
		return Default(), nil, err
	}
	return parse(file, data)
}

func parse(file string, data []byte) (Config, values, error) {
	c := Default()
	present, err := strictyaml.Decode(file, data, &c)
	if err != nil {
		return c, nil, err
	}
	for i := range c.Cameras {
		fill(reflect.ValueOf(&c.Cameras[i]).Elem(), fmt.Sprintf("cameras[%d].", i), present)
	}
	if err := c.Validate(); err != nil { // what the tags cannot say
		return c, nil, fmt.Errorf("%s: %w", file, err)
	}
	set := values{}
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		if _, ok := present[k.path]; !ok {
			continue
		}
		switch k.value.Kind() {
		case reflect.Bool:
			set[k.flag()] = k.value.Bool()
		case reflect.Slice:
			set[k.flag()] = k.value.Interface()
		default:
			set[k.flag()] = text(k.value)
		}
	}
	return c, set, nil
}

// values are what a file sets, by the name of the flag. It is a kong.Resolver.
type values map[string]any

// Validate has nothing left to do: the file was held against the struct.
func (values) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value for a flag, nil where it has none.
func (v values) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return v[flag.Name], nil
}

func read(file string) ([]byte, error) {
	f, err := regular.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return data, nil
}
