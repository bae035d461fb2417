package config

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"dashline/internal/redact"
)

// Camera is one camera of a run.
type Camera struct {
	Name        string  `yaml:"name" pattern:"^[A-Za-z0-9_-]{1,64}$" help:"Name of the camera, the third word of every subject."`
	Source      string  `yaml:"source" help:"As the key source."`
	CameraModel string  `yaml:"camera_model" help:"As the key camera_model."`
	Priority    float64 `yaml:"priority" default:"1" min:"0.1" max:"10" help:"How much sooner than others the camera is served, where the newest frames are processed: with 2 it waits half as long as one with 1."`
}

// NewCamera is a camera of which nothing is said but its name and source.
func NewCamera(name, source string) Camera {
	c := Camera{Name: name, Source: source}
	fill(reflect.ValueOf(&c).Elem(), "", nil)
	return c
}

// Cameras are the cameras of a run that has several; their names differ.
type Cameras []Camera

// Address is what to connect to: the source without user and password before its
// host, but with those that its path and query may have. It is not for people.
func (c Camera) Address() string { return redact.Userinfo(c.Source) }

// MaxCameras bounds the cameras of one run.
const MaxCameras = 64

// Each returns the cameras of the run, at least one.
func (c *Config) Each() []Camera {
	if len(c.Cameras) > 0 {
		return c.Cameras
	}
	one := NewCamera(c.Camera, c.Source)
	one.CameraModel = c.CameraModel
	return []Camera{one}
}

// Decode is called by kong with one NAME=SOURCE, or with the list of a file.
func (c *Cameras) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("NAME=SOURCE")
	if err != nil {
		return err
	}
	if list, ok := token.Value.(Cameras); ok {
		*c = list
		return nil
	}
	name, source, ok := named(token.String())
	if !ok {
		return errors.New("expected NAME=SOURCE, for example front=rtsp://10.0.0.7/stream")
	}
	*c = append(*c, NewCamera(name, source))
	return nil
}

var nameAndSource = regexp.MustCompile(`^([A-Za-z0-9_-]{1,64})=(.+)$`)

// named splits NAME=SOURCE. What stands before the = of synth:city?seed=3 or
// rtsp://host/x?y=1 is no name.
func named(arg string) (name, source string, ok bool) {
	m := nameAndSource.FindStringSubmatch(arg)
	if m == nil {
		return "", arg, false
	}
	return m[1], m[2], true
}

// Arguments gives the configuration the sources that the command line names: one
// SOURCE, whose camera has the name of the key camera, or NAME=SOURCE for each of
// several cameras. They take the place of all that the file names. Without any
// nothing is changed.
func (c *Config) Arguments(sources []string) error {
	if len(sources) == 0 {
		return nil
	}
	c.Source, c.Cameras = "", nil
	for _, arg := range sources {
		if redact.URL(arg) != arg {
			return errOnCommandLine
		}
		name, source, ok := named(arg)
		switch {
		case ok:
			c.Cameras = append(c.Cameras, NewCamera(name, source))
		case len(sources) > 1:
			return fmt.Errorf("source %s: one of several needs the name of its camera: give it as NAME=%s", arg, arg)
		default:
			c.Source = arg
		}
	}
	if len(c.Cameras) == 1 { // one that has a name is one all the same
		c.Camera, c.Source, c.Cameras = c.Cameras[0].Name, c.Cameras[0].Source, nil
	}
	return nil
}

var errOnCommandLine = errors.New("a source with a user or password in it was given on the command line, where others can read it: put the source into a configuration file, or give the address alone and set DASHLINE_RTSP_USER and DASHLINE_RTSP_PASSWORD, or name a file with --rtsp-credentials (an address that has them in its path or query can only be in a configuration file)")

// BeforeResolve is called by kong when it knows the flags that were given and
// not yet what the file has. It refuses credentials in a flag.
func (*Config) BeforeResolve(ctx *kong.Context) error {
	for _, p := range ctx.Path {
		if p.Flag == nil {
			continue
		}
		switch v := ctx.FlagValue(p.Flag).(type) {
		case Cameras:
			for _, camera := range v {
				if redact.URL(camera.Source) != camera.Source {
					return errOnCommandLine
				}
			}
		case string:
			if p.Flag.Name == "source" && redact.URL(v) != v {
				return errOnCommandLine
			}
		}
	}
	return nil
}

// validateSources never has any part of an address in its errors.
func (c *Config) validateSources() error {
	var errs []error
	if len(c.Cameras) == 0 {
		return inKey("source", checkSource(c.Source))
	}
	if len(c.Cameras) > MaxCameras {
		errs = append(errs, fmt.Errorf("cameras: there are %d, the limit is %d", len(c.Cameras), MaxCameras))
	}
	if c.Camera != Default().Camera {
		errs = append(errs, fmt.Errorf("camera, cameras: both are set: leave camera out, or put %s into the list", c.Camera))
	}
	if c.Source != "" {
		errs = append(errs, errors.New("source, cameras: both are set: put the source into the list"))
	}
	if c.CameraModel != "" {
		errs = append(errs, errors.New("camera_model, cameras: each camera has its own: put camera_model into its item of the list"))
	}
	first := map[string]int{}
	for i, camera := range c.Cameras {
		if at, twice := first[camera.Name]; twice {
			errs = append(errs, fmt.Errorf("cameras[%d].name: %.64q is the name of cameras[%d] too: give each its own", i, camera.Name, at))
		}
		first[camera.Name] = i
		key := fmt.Sprintf("cameras[%d].source", i)
		if camera.Source == "" {
			errs = append(errs, fmt.Errorf("%s: is missing: a camera needs one", key))
		}
		errs = append(errs, inKey(key, checkSource(camera.Source)))
	}
	return errors.Join(errs...)
}

func inKey(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", key, err)
}

// Remote says whether a source is a camera on the network.
func Remote(source string) bool {
	scheme, _, ok := strings.Cut(source, "://")
	return ok && (strings.EqualFold(scheme, "rtsp") || strings.EqualFold(scheme, "rtsps"))
}

func checkSource(source string) error {
	if !Remote(source) {
		return nil
	}
	const mend = "write it as rtsp://host:554/path or rtsp://user:password@host:554/path (special characters of the password as %XX)"
	u, err := url.Parse(source)
	if err != nil || u.Hostname() == "" {
		return errors.New("the address is not a URL: " + mend)
	}
	_, rest, _ := strings.Cut(source, "://")
	rest = rest[strings.IndexAny(rest+"/", "/?#"):]
	if strings.Contains(rest, "@") {
		return errors.New("the address has an @ behind its host: write an @ that belongs to the path as %40, and " + mend)
	}
	// With them it could not be found again in what others write about it.
	if redact.URL(source) != redact.Userinfo(source) && strings.ContainsFunc(rest, ending) {
		return errors.New("the address has a space or quote in a path or query with a password: write special characters as %XX")
	}
	return nil
}

// ending says that a character ends an address in a text.
func ending(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"'<>`, r) }

// WithoutCredentials returns the configuration without the users and passwords
// in its addresses (*** stands for those in paths and queries), and the keys that had some.
func (c Config) WithoutCredentials() (clean Config, had []string) {
	take := func(key string, address *string, redacted string) {
		if redacted != *address {
			had = append(had, key)
			*address = redacted
		}
	}
	take("source", &c.Source, redact.URL(c.Source))
	c.Cameras = append(Cameras(nil), c.Cameras...)
	for i := range c.Cameras {
		s := &c.Cameras[i].Source
		take(fmt.Sprintf("cameras[%d].source", i), s, redact.URL(*s))
	}
	take("nats.url", &c.NATS.URL, redact.URLs(c.NATS.URL))
	return c, had
}
