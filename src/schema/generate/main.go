// Command generate writes the facts about the types of the Kubernetes API from which k2d makes its
// schema table: names, fields, presence, protobuf numbers, patch strategies, topology for
// server-side apply, enumerations. The Go types themselves (by reflection) and the markers beside
// them (by parsing) are the source; descriptions are not taken.
//
//	cd src/schema/generate && go run . > ../facts.txt
//
// A second run writes the same bytes. The versions in go.mod say which release is described.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// The group versions that are described, with the function that registers their types.
var groups = []struct {
	version schema.GroupVersion
	add     func(*runtime.Scheme) error
}{
	{corev1.SchemeGroupVersion, corev1.AddToScheme},
	{admissionregistrationv1.SchemeGroupVersion, admissionregistrationv1.AddToScheme},
	{apiextensionsv1.SchemeGroupVersion, apiextensionsv1.AddToScheme},
	{apiregistrationv1.SchemeGroupVersion, apiregistrationv1.AddToScheme},
	{appsv1.SchemeGroupVersion, appsv1.AddToScheme},
	{authenticationv1.SchemeGroupVersion, authenticationv1.AddToScheme},
	{authorizationv1.SchemeGroupVersion, authorizationv1.AddToScheme},
	{autoscalingv1.SchemeGroupVersion, autoscalingv1.AddToScheme},
	{autoscalingv2.SchemeGroupVersion, autoscalingv2.AddToScheme},
	{batchv1.SchemeGroupVersion, batchv1.AddToScheme},
	{certificatesv1.SchemeGroupVersion, certificatesv1.AddToScheme},
	{coordinationv1.SchemeGroupVersion, coordinationv1.AddToScheme},
	{discoveryv1.SchemeGroupVersion, discoveryv1.AddToScheme},
	{eventsv1.SchemeGroupVersion, eventsv1.AddToScheme},
	{flowcontrolv1.SchemeGroupVersion, flowcontrolv1.AddToScheme},
	{metricsv1beta1.SchemeGroupVersion, metricsv1beta1.AddToScheme},
	{networkingv1.SchemeGroupVersion, networkingv1.AddToScheme},
	{nodev1.SchemeGroupVersion, nodev1.AddToScheme},
	{policyv1.SchemeGroupVersion, policyv1.AddToScheme},
	{rbacv1.SchemeGroupVersion, rbacv1.AddToScheme},
	{schedulingv1.SchemeGroupVersion, schedulingv1.AddToScheme},
	{storagev1.SchemeGroupVersion, storagev1.AddToScheme},
}

// Kinds of the machinery, under the group version in which clients name them. A group of "*" stands
// for every group version.
var machinery = []struct {
	group, version string
	object         any
}{
	{"*", "*", metav1.CreateOptions{}},
	{"*", "*", metav1.DeleteOptions{}},
	{"*", "*", metav1.GetOptions{}},
	{"*", "*", metav1.ListOptions{}},
	{"*", "*", metav1.PatchOptions{}},
	{"*", "*", metav1.UpdateOptions{}},
	{"*", "*", metav1.WatchEvent{}},
	{"", "v1", metav1.APIGroup{}},
	{"", "v1", metav1.APIGroupList{}},
	{"", "v1", metav1.APIResourceList{}},
	{"", "v1", metav1.APIVersions{}},
	{"", "v1", metav1.Status{}},
	{"meta.k8s.io", "v1", metav1.PartialObjectMetadata{}},
	{"meta.k8s.io", "v1", metav1.PartialObjectMetadataList{}},
	{"meta.k8s.io", "v1", metav1.Table{}},
	{"meta.k8s.io", "v1", metav1.TableOptions{}},
}

func main() {
	facts := newFacts()
	var kinds []string
	for _, group := range groups {
		scheme := runtime.NewScheme()
		if err := group.add(scheme); err != nil {
			fail("register %s: %v", group.version, err)
		}
		for name, kind := range scheme.KnownTypes(group.version) {
			if kind.PkgPath() == metaPackage {
				continue
			}
			facts.add(kind)
			kinds = append(kinds, fmt.Sprintf("kind %s %s %s %s", dash(group.version.Group), group.version.Version, name, facts.name(kind)))
		}
	}
	for _, kind := range machinery {
		t := reflect.TypeOf(kind.object)
		facts.add(t)
		kinds = append(kinds, fmt.Sprintf("kind %s %s %s %s", dash(kind.group), kind.version, t.Name(), facts.name(t)))
	}
	sort.Strings(kinds)

	out := bufio.NewWriter(os.Stdout)
	fmt.Fprint(out, header)
	facts.write(out)
	fmt.Fprintln(out)
	for _, line := range kinds {
		fmt.Fprintln(out, line)
	}
	if err := out.Flush(); err != nil {
		fail("write: %v", err)
	}
}

const header = `# Facts about the types of the Kubernetes API 1.37, from which build.rs makes the schema table.
# Made by src/schema/generate: cd src/schema/generate && go run . > ../facts.txt
#
# package <short> <Go package> <prefix of OpenAPI model names>
# scalar <name> <type> [enum <values>]         a named scalar, with the values it may have
# list <name> <item> [message]                 a named list; message: wrapped in a message of its own in protobuf
# map <name> <key> <value>                     a named map
# struct <name> [atomic]                       followed by its fields, in the order of Go
#   <json name> <type> <protobuf number>:<wire> [flags]
#   inline <type> <protobuf number>            the fields of that struct belong to this one in JSON
# kind <group> <version> <kind> <struct>       - is the core group, * any
#
# Types: *T a pointer, []T a list, [T]U a map from T to U. Flags: omitempty, omitzero, required;
# list=atomic|set|map:<keys>, map=atomic, struct=atomic (server-side apply); patch=<strategies> and
# key=<key> (strategic merge); default=<JSON>, the last one of a line.

`

func dash(group string) string {
	if group == "" {
		return "-"
	}
	return group
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "generate: "+strings.TrimSpace(format)+"\n", args...)
	os.Exit(1)
}
