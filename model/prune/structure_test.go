package prune_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dashline/model"
	"dashline/model/prune"
)

// describe is a group in a line: its name, units x channels of each layer, roles.
func describe(g *model.Graph, group *prune.Group) string {
	names := func(layers []int) string {
		var out []string
		for _, i := range layers {
			out = append(out, g.Layers[i].Name)
		}
		return strings.Join(out, " ")
	}
	var in []string
	for _, i := range group.Layers {
		name := g.Layers[i].Name
		if n := len(group.In(0, i)); n > 1 {
			name = fmt.Sprintf("%d*%s", n, name)
		}
		in = append(in, name)
	}
	s := fmt.Sprintf("%s: %d of %s", group.Name, len(group.Units), strings.Join(in, " "))
	for _, role := range []struct {
		word   string
		layers []int
	}{{"from", group.Producers}, {"through", group.Followers}, {"to", group.Consumers}} {
		if len(role.layers) > 0 {
			s += fmt.Sprintf("; %s %s", role.word, names(role.layers))
		}
	}
	if group.Fixed != "" {
		s += "; fixed: " + group.Fixed
	}
	return s
}

func TestGroups(t *testing.T) {
	for _, tc := range []struct {
		name string
		g    *model.Graph
		want []string
	}{
		{"shortcuts", residual(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 16 of conv1 conv3 add4 conv6 add7; from conv1 conv3 conv6; to conv2 conv5 conv8",
			"conv2: 8 of conv2; from conv2; to conv3",
			"conv5: 12 of conv5; from conv5; to conv6",
			"conv8: 5 of conv8; from conv8; fixed: output of the network",
		}},
		{"inverted residuals", inverted(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 8 of conv1 conv4 add5; from conv1 conv4; to conv2 conv6",
			"conv2: 24 of conv2 conv3; from conv2; through conv3; to conv4",
			"conv6: 16 of conv6 2*conv7; from conv6; through conv7; to conv8",
			"conv8: 12 of conv8; from conv8; to conv9",
			"conv9: 5 of conv9; from conv9; fixed: output of the network",
		}},
		{"halves", partial(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 8 of 2*conv1 slice2 2*concat7; from conv1; to conv3 conv8",
			"conv3: 8 of conv3 concat5; from conv3; to conv4 conv6",
			"conv4: 8 of conv4 concat5; from conv4; to conv6",
			"conv6: 16 of conv6 concat7; from conv6; to conv8",
			"conv8: 5 of conv8; from conv8; fixed: output of the network",
		}},
		{"heads", heads(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 8 of conv1 maxpool2 concat8; from conv1; to conv3 conv9",
			"conv3: 16 of conv3; from conv3; to conv4 conv6",
			"conv4: 14 of conv4; from conv4; fixed: read by yolo5 (yolo)",
			"conv6: 8 of conv6 upsample7 concat8; from conv6; to conv9",
			"conv9: 16 of conv9; from conv9; to conv10",
			"conv10: 14 of conv10; from conv10; fixed: read by yolo11 (yolo)",
		}},
		{"groups of several", grouped(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 4 of 3*conv1; from conv1; to conv2",
			"conv2: 2 of 3*conv2; from conv2; to conv3",
			"conv3: 5 of conv3; from conv3; fixed: output of the network",
		}},
		{"groups of one filter", gathered(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 4 of 3*conv1 conv2; from conv1; through conv2; to conv3",
			"conv3: 5 of conv3; from conv3; fixed: output of the network",
		}},
		{"a part of its own", uneven(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 3 of conv1; from conv1; to conv3",
			"conv1#2: 5 of conv1 slice2; from conv1; to conv3 conv4",
			"conv3: 5 of conv3; from conv3; fixed: output of the network",
			"conv4: 4 of conv4; from conv4; fixed: output of the network",
		}},
		{"squeeze and excitation", squeezed(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 8 of conv1 avgpool2 conv4 mul5 const6 mul7; from conv1 conv4; to conv3 conv8",
			"conv3: 2 of conv3; from conv3; to conv4",
			"conv8: 5 of conv8; from conv8; fixed: output of the network",
		}},
		{"read by what is unknown", unknown(t), []string{
			"input0: 3 of input0; to conv1; fixed: input of the network",
			"conv1: 8 of conv1; from conv1; fixed: read by Shuffle2 (Shuffle)",
			"Shuffle2: 8 of Shuffle2; to conv3; fixed: result of Shuffle2 (Shuffle)",
			"conv3: 5 of conv3; from conv3; fixed: output of the network",
		}},
		{"tied to what is read by what is unknown", entangled(t), []string{
			"input0: 3 of input0; to conv1 conv2; fixed: input of the network",
			"conv1: 8 of conv1 conv2 add4; from conv1 conv2; to conv5; fixed: read by softmax3 (softmax)",
			"softmax3: 8 of softmax3; fixed: result of softmax3 (softmax)",
			"conv5: 1 of conv5; from conv5; to conv6; fixed: the only unit",
			"conv6: 5 of conv6; from conv6; fixed: output of the network",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := prune.Analyze(tc.g)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range s.Groups {
				got = append(got, describe(tc.g, &s.Groups[i]))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("groups\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}
