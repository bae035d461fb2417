package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"dashline/internal/regular"
	"dashline/internal/strictyaml"
)

// Login is how to log in to a camera. It does not print.
type Login struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
}

// String is nobody's business.
func (Login) String() string { return "(a login)" }

// GoString is nobody's business either.
func (l Login) GoString() string { return l.String() }

// UnmarshalText reads user:password.
func (l *Login) UnmarshalText(text []byte) error {
	user, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return errors.New("write it as user:password")
	}
	*l = Login{user, password}
	return nil
}

// Login variables of the environment; those of one camera end with its name in
// capitals, _ for -.
const (
	userVariable     = "DASHLINE_RTSP_USER"
	passwordVariable = "DASHLINE_RTSP_PASSWORD"
)

// Logins finds the login of each camera on the network, by the camera's name. The
// first of these that has one counts: the camera's source, the environment's
// variables of that camera, the file rtsp.credentials, the environment's
// variables of all cameras. warnings are for people.
func (c *Config) Logins(getenv func(string) string) (logins map[string]Login, warnings []string, err error) {
	var file map[string]Login
	if c.RTSP.Credentials != "" {
		if file, warnings, err = loadLogins(c.RTSP.Credentials); err != nil {
			return nil, nil, err
		}
	}
	logins = map[string]Login{}
	for _, camera := range c.Each() {
		if !Remote(camera.Source) {
			continue
		}
		suffix := "_" + strings.ReplaceAll(strings.ToUpper(camera.Name), "-", "_")
		for _, l := range []Login{
			loginOf(camera.Source),
			{getenv(userVariable + suffix), getenv(passwordVariable + suffix)},
			file[camera.Name],
			{getenv(userVariable), getenv(passwordVariable)},
		} {
			if l != (Login{}) {
				logins[camera.Name] = l
				break
			}
		}
		if _, ok := logins[camera.Name]; !ok && file != nil {
			warnings = append(warnings, fmt.Sprintf("camera %s has no login: %s does not name it", camera.Name, c.RTSP.Credentials))
		}
	}
	return logins, warnings, nil
}

func loginOf(source string) Login {
	u, err := url.Parse(source)
	if err != nil || u.User == nil {
		return Login{}
	}
	password, _ := u.User.Password()
	return Login{u.User.Username(), password}
}

// loadLogins reads a file of logins. Its errors tell the place and nothing of
// what stands there.
func loadLogins(file string) (logins map[string]Login, warnings []string, err error) {
	f, err := regular.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("rtsp.credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("rtsp.credentials: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s has passwords in it and others on this machine may read it: chmod 600 %s", file, file))
	}
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("rtsp.credentials: %w", err)
	}
	if _, err := strictyaml.Decode(file, data, &logins); err != nil {
		place := strictyaml.Error{File: file}
		if e, ok := errors.AsType[*strictyaml.Error](err); ok {
			place.Line, place.Column = e.Line, e.Column
		}
		place.Msg = `this is no login: write "NAME: user:password" or "NAME: {user: USER, password: PASSWORD}" for each camera, numbers in quotes`
		return nil, nil, &place
	}
	return logins, warnings, nil
}
