package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"dashline/internal/testkit"
)

// commands are the command lines of this program in a line of an example: what
// follows two blanks or a # is said about it, and other programs are passed over.
func commands(line string) [][]string {
	var all [][]string
	var now []string
	end := func() {
		if len(now) > 0 && now[0] == "dashline" {
			all = append(all, now[1:])
		}
		now = nil
	}
	for line = strings.TrimSpace(line); line != ""; {
		var word string
		switch {
		case line[0] == '\'':
			word, line, _ = strings.Cut(line[1:], "'")
			line = strings.TrimPrefix(line, " ")
		default:
			word, line, _ = strings.Cut(line, " ")
		}
		switch word {
		case "|", "&&", ";", "&":
			end()
		case ">", "#", "": // where it is written to, or what is said about it
			line = ""
		default:
			now = append(now, word)
		}
	}
	end()
	return all
}

func TestCommandsOfExamples(t *testing.T) {
	for line, want := range map[string]string{
		"dashline run a.mp4   what it is":                        "run a.mp4",
		"dashline run 'synth:city?seed=7&duration=20s'  # made":  "run synth:city?seed=7&duration=20s",
		"dashline model convert x && dashline run --a b | jq .c": "model convert x; run --a b",
		"dashline config > truck7.yaml":                          "config",
		"curl x | sh":                                            "",
	} {
		var got []string
		for _, c := range commands(line) {
			got = append(got, strings.Join(c, " "))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// Every example of a help text and of a page of documentation is a command line
// that the program takes. Of what pages quote in a sentence, which may be a part of
// one, every flag is known.
func TestExamplesParse(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(testkit.Root(), "docs", "*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	pages = append(pages, filepath.Join(testkit.Root(), "README.md"))
	t.Chdir(t.TempDir())
	for _, config := range []string{"truck7.yaml", "rain.yaml"} { // which have to be there
		if err := os.WriteFile(config, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	parser := func() *kong.Kong {
		return newParser(t.Context(), streams{}, func(int) { t.Error("an example ends the program") })
	}
	shared := parser()
	parse := func(where string, args []string, part bool) {
		if slices.Contains(args, "--help") {
			return
		}
		_, err := shared.Parse(args)
		if err != nil && !part { // once more by a new one: what is exclusive stays so in a parser, and one takes long to make
			_, err = parser().Parse(args)
		}
		if err != nil && (!part || strings.Contains(err.Error(), "unknown flag")) {
			t.Errorf("%s: dashline %s: %v", where, strings.Join(args, " "), err)
		}
	}
	count := 0
	var help func(n *kong.Node)
	help = func(n *kong.Node) {
		for line := range strings.Lines(n.Help + "\n" + n.Detail) {
			if strings.HasPrefix(line, "  dashline ") {
				for _, args := range commands(line) {
					count++
					parse(n.FullPath()+" --help", args, false)
				}
			}
		}
		for _, child := range n.Children {
			help(child)
		}
	}
	help(parser().Model.Node)
	if count < 80 {
		t.Errorf("only %d examples are found in help texts", count)
	}

	quoted := regexp.MustCompile("`(dashline [^`]*)`")
	count = 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		inCode := false
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "```") {
				inCode = !inCode && strings.TrimSpace(line) == "```sh"
				continue
			}
			if inCode {
				for _, args := range commands(line) {
					count++
					parse(filepath.Base(page), args, false)
				}
				continue
			}
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				for _, args := range commands(m[1]) {
					parse(filepath.Base(page), args, true)
				}
			}
		}
	}
	if count < 40 {
		t.Errorf("only %d examples are found in pages", count)
	}
}
