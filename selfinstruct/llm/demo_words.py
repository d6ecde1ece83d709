"""The demo teacher's banks of words and facts: what its skills put into their sentences."""

from __future__ import annotations


def _bank(text: str) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).split("; "))


def _rows(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row.split(" => ")) for row in " ".join(text.split()).split(" || "))


def _pairs(text: str) -> dict[str, str]:
    return {row[0]: row[1] for row in _rows(text)}


NAMES = _bank("""
Amara; Bruno; Chiara; Dmitri; Elif; Farah; Gustav; Hana; Ivan; Jasmin; Kofi; Leila; Mateo; Nadia; Oskar; Priya;
Quentin; Rosa; Sanjay; Tomasz; Ulla; Viktor; Wanda; Xavier; Yuki; Zofia; Aisha; Bilal; Carmen; Diego; Esther; Felix;
Greta; Hugo; Ines; Jonas; Kamal; Lucia; Marek; Noor; Olga; Pablo; Ravi; Selma; Tariq; Uma; Vera; Wei; Yasmin; Zoltan;
Agnes; Boris; Clara; Daniel; Emilia; Fiona; Gabriel; Helga; Ingrid; Joel; Karla; Liam; Miriam; Nils; Otto; Petra;
Ruth; Stefan; Teresa; Vincent; Anouk; Baptiste; Celeste; Dario; Edith; Fergus; Gloria; Henrik; Isla; Jakub
""")
SURNAMES = _bank("""
Adeyemi; Bauer; Castillo; Dahl; Eriksen; Fontaine; Gruber; Haddad; Ivanova; Janssen; Kowalski; Lindqvist; Moreau;
Nakamura; Okafor; Petrov; Quispe; Rossi; Sharma; Tanaka; Ueda; Vargas; Weber; Xu; Yilmaz; Zimmermann; Silva; Costa;
Brennan; Novak
""")
TOWNS = _bank("""
Lisbon; Bergen; Kyoto; Cusco; Tallinn; Galway; Ghent; Porto; Accra; Hanoi; Zagreb; Malmo; Seville; Bologna; Toronto;
Perth; Nairobi; Krakow; Lyon; Leipzig; Salzburg; Utrecht; Bristol; Cardiff; Aarhus; Turku; Riga; Vilnius; Split;
Izmir; Amman; Muscat; Jaipur; Kochi; Colombo; Penang; Cebu; Busan; Sapporo; Hobart; Dunedin; Halifax; Quebec; Denver;
Austin; Oaxaca; Bogota; Quito; Valparaiso; Montevideo; Recife; Dakar; Tangier; Cairo; Mombasa; Windhoek; Durban;
Reykjavik; Inverness; Basel; Turin; Palermo; Granada; Bilbao; Nantes; Rouen; Bruges; Odense; Uppsala; Tampere
""")
TEMPERS = _bank("""
a retired; a newly hired; a part-time; an experienced; an overworked; a soft-spoken; a young; a patient; a forgetful;
an ambitious; a bilingual; a cheerful; a nervous; a left-handed; a well-organised; a talkative; a shy; a semi-retired;
a curious; a meticulous; a newly qualified; a thrifty; an impatient; a self-taught; a home-loving; a stubborn
""")
ROLES = _bank("""
baker; beekeeper; bus driver; florist; piano teacher; night nurse; plumber; librarian; carpenter; tour guide; dentist;
sheep farmer; wedding planner; taxi driver; school caretaker; lighthouse keeper; tailor; football coach; swimming
instructor; potter; museum guard; electrician; translator; radio host; ferry captain; gardener; accountant; pastry
chef; postal worker; vet; stonemason; yoga teacher; bookbinder; chess coach; street musician; land surveyor;
pharmacist; optician; firefighter; paramedic; cheese maker; clockmaker; puppeteer; web designer; kindergarten teacher;
bricklayer; locksmith; barber; park ranger; choir leader; train conductor; glassblower; shoemaker; history teacher;
physiotherapist; market trader; camp leader; roofer; archivist; science teacher
""")
FIRM_KINDS = _bank("""
a family-run; a newly opened; a small; a busy; a popular; a tiny; a struggling; a well-known; a neighbourhood; a
student-run; a back-street; a long-established; an independent; a high-street; a three-person; an award-winning; a
mid-sized; a quiet; a fast-growing; a cooperatively owned
""")
FIRMS = _bank("""
bicycle repair shop; bakery; bookshop; garden centre; guesthouse; toy shop; hardware store; dance school; dog salon;
language school; furniture workshop; coffee roastery; boat rental; print shop; travel agency; dental practice;
climbing gym; theatre; vintage clothing shop; noodle bar; cheese shop; photo studio; driving school; guitar shop;
campsite; flower shop; laundry; car wash; spice merchant; art gallery; tea room; brewery; ice cream parlour;
veterinary clinic; cookery school; electronics store; shoe repair shop; bowling alley; cinema; moving company;
cleaning company; plant nursery; publishing house; radio station; software company; insurance office; credit union;
internet provider; fabric shop; youth hostel
""")
WHEN = _bank("""
on a rainy Saturday; at the end of March; just before closing time; during the school holidays; on the first day of
spring; after a long night shift; in the week before New Year; on a hot August afternoon; during a power cut; early on
Monday morning; on the way home from work; in the middle of moving house; after the annual inventory; on a slow train;
over the long weekend; between two meetings; at the height of the season; the day after a storm; while the kettle
boils; shortly before the summer sale; on market day; during the lunch break; after the last customer has left; on the
eve of a holiday; at the start of the new term; during a snowed-in weekend; while waiting for a connection; late on a
Sunday evening; in the first week of a new job; after the spring clean; at half past six in the morning; on a windy
autumn day; before the auditors arrive; in the quiet hour after lunch; at the beginning of the heating season; the
evening before departure
""")
GOODS = _bank("""
notebooks; beeswax candles; light bulbs; teapots; paintbrushes; seed packets; wool blankets; bicycle bells; jars of
honey; soup bowls; fridge magnets; garden gloves; coat hooks; padlocks; bars of soap; chess sets; cork coasters; tent
pegs; rolls of tape; bread knives; tulip bulbs; umbrellas; wooden spoons; shoelaces; ceramic tiles; torches; lemons;
loaves of rye bread; fountain pens; cotton scarves; door handles; clay pots; postcards; cans of paint; fishing hooks;
tins of sardines; bath towels; glass beads; calendars; brass screws; lunch boxes; pine shelves; door mats; kites; oven
gloves; watering cans; oat biscuits; paper lanterns; bottles of cider; buttons
""")
GROUPS = _bank("""
cousins; choir members; neighbours; camp leaders; classrooms; market stalls; apprentices; volunteers; rowing crews;
scout groups; new pupils; grandchildren; museum guides; lab partners; table hosts; flatmates; team captains; kitchen
helpers; weekend guests; reading groups
""")
EVENTS = _bank("""
a street food evening; a seed swap; an open-air film night; a village quiz; a retirement lunch; a charity concert; a
book launch; a repair workshop; a lantern walk; a neighbourhood clean-up; a pottery open day; a chess tournament; a
school reunion; a harvest supper; a jazz brunch; a kite festival; a blood donation day; a housewarming party; a board
game night; a poetry reading; a baby shower; a science fair; a bake sale; a golden wedding party; a sheepdog trial; a
careers evening; a barn dance; a stargazing night; a puppet show; a plant sale; a raft race; a mushroom walk; an open
choir rehearsal; a cycling breakfast; a language exchange; a farewell dinner; a coding workshop; a first aid course; a
winter market; a photography exhibition
""")
VENUES = _bank("""
in the village hall; on the roof of the library; in the old fire station; by the boathouse; in the school canteen; at
the allotments; under the railway arches; in the castle courtyard; at the community centre; on the football pitch; in
the church garden; behind the town hall; at the youth club; in the apple orchard; on the harbour wall; in the museum
foyer; at the riverside inn; in the greenhouse; on the market square; in the sports hall; at the observatory; in the
disused cinema; on the top deck of the ferry; in the tram depot; at the mountain hut; in the botanical garden; on the
school playground; at the old mill; beside the duck pond; in the back room of the pub
""")
GUESTS = _bank("""
new neighbours; former colleagues; parents of first-year pupils; members of the rowing club; the whole street; retired
teachers; exchange students; local shopkeepers; old schoolfriends; cousins from abroad; volunteers of the food bank;
first-time visitors; the night shift; keen amateur astronomers; families with toddlers; students on a tight budget;
supporters of the lifeboat crew; the sports club's juniors; people new to the town; hobby gardeners; the tenants of
number nine; regular customers; choir friends; members of the cycling group; young researchers; grandparents and
grandchildren; the building's caretakers; former pupils; people who live alone; colleagues from the warehouse
""")
NOTES = _bank("""
parking is free behind the church; dogs are welcome on a lead; the lift is out of order; doors open half an hour
early; only cash is accepted; seats cannot be reserved; children under six come in free; the last bus leaves at half
past ten; everything moves indoors if it rains; there is step-free access from the courtyard; tea and cake will be
served; a photographer will be present; the car park fills up quickly; gloves and tools are provided; places are
limited to thirty; the kitchen closes at nine; a vegetarian dish is available; the main road will be closed; the
programme is in two languages; glasses carry a small deposit; the ground may be muddy; there is no mobile signal; the
ferry crossing takes ten minutes; coats can be left upstairs; blankets can be borrowed; a sign language interpreter
will be there; the raffle supports the lifeboat crew; bicycles can be locked in the yard; the side entrance is the one
to use; a small donation is appreciated; the toilets are across the street; latecomers wait until the interval; there
is a quiet room upstairs; the heating has just been repaired; nobody needs any experience; the first drink is free
""")
ASKS = _bank("""
bring a folding chair; wear sturdy shoes; reply by Friday evening; mention any allergies; arrive ten minutes early;
bring a dish to share; leave pets at home; switch phones to silent; sign up at the front desk; carry small change;
dress in warm layers; bring a reusable cup; wear something yellow; keep the driveway clear; prepare a two-minute
story; bring a favourite poem; pack a torch; use the bus if possible; print the ticket beforehand; bring a recent
photograph; leave shoes at the door; confirm the number of guests; choose a song in advance; carry a water bottle;
check the noticeboard first; vote for the best costume; bring one unwanted book; help stack the chairs afterwards;
wear a name badge; ring the bell twice; hand in the form at reception; share a car with a neighbour; keep the receipt;
return the key by noon; sort the rubbish afterwards; stay on the marked path
""")
TROUBLES = _bank("""
the boiler broke down; the delivery van had a flat tyre; a pipe burst overnight; the booking system crashed; two
colleagues fell ill; the wrong address was on the label; the supplier ran out of stock; the road was flooded; the key
snapped in the lock; the invoice was sent twice; the oven would not light; the train was cancelled; a storm brought
down the power line; the order got lost in the post; the printer ran out of ink; the alarm went off by mistake; the
paint had not dried; the appointment was entered on the wrong day; a crate of glasses fell over; the freezer thawed;
the microphone failed; the new trainee mixed up the names; the scaffolding was delayed; the password had expired; the
parcel was soaked by rain; the tickets were printed with an old date; a wasp nest blocked the entrance; the ferry
stayed in port; the ceiling leaked; the bridge was closed for repairs; the payment terminal was offline; the
measurements were taken in inches
""")
REMEDIES = _bank("""
a full refund; a voucher for the next visit; free delivery of a replacement; a new appointment; a discount
of ten percent; a handwritten corrected invoice; a free upgrade; an extra hour at no charge; a repair on the spot; a
personal call from the manager; a basket of fruit; a second set of tickets; a replacement at no charge; a free month
of membership; a tour behind the scenes; a lift to the station; a courtesy bicycle; an extended guarantee; a
complimentary breakfast; a seat in the front row
""")
FAVOURS = _bank("""
watering the tomatoes; the loan of a trailer; looking after the cat; fixing the garden gate; proofreading an
application; the lift to the clinic; carrying the piano upstairs; translating the contract; teaching the children to
skate; baking the wedding cake; finding the lost wallet; collecting the parcels; repairing the old radio; covering the
late shift; hosting the book club; the tour of the harbour; shovelling the snow; sorting the family letters;
babysitting at short notice; painting the hallway; rescuing the laptop; feeding the chickens; organising the raffle;
cutting the hedge; tuning the piano; mending the winter coat; explaining the tax form; the loan of a dinner jacket;
taking the minutes; planting the apple tree
""")
TOUCHES = _bank("""
a jar of plum jam; a bunch of sweet peas; a ticket for the theatre; an invitation to supper; a hand-knitted scarf; a
basket of eggs; a bottle of elderflower syrup; a loaf of walnut bread; a card from the twins; a day out on the lake; a
pot of basil; a box of dates; a candle from the market; a homemade lemon tart; an afternoon of gardening; a book of
crosswords; a tin of shortbread; a framed postcard; a week of dog walking; a bag of roasted almonds
""")
PRODUCTS = _bank("""
a folding bicycle helmet; a solar reading lamp; a cast-iron pancake pan; a rainproof school bag; a bamboo desk
organiser; a quiet coffee grinder; a self-watering flower box; a pocket-sized chess set; a linen apron; a stackable
lunch box; a wind-up alarm clock; a merino travel blanket; a magnetic spice rack; a child-safe penknife; a cork yoga
mat; a recycled paper notebook; a hand-cranked radio; a collapsible kettle; a leather dog lead; a wooden shoe rack; an
insulated picnic bottle; a steel garden trowel; a foldable step stool; a beech rolling pin; a reflective running vest;
a waxed canvas tool roll; a double-sided door mat; a slim card wallet; a stoneware butter dish; a portable clothes
line
""")
FEATURES = _bank("""
weighs less than expected; comes with a ten-year guarantee; is made in a small village workshop; keeps its colour for
years; ships without any packaging; suits left-handed people, too; looks better with age; can be engraved with a name;
passes every safety test; is light enough for children; costs less than a dinner for two; arrives within two days; was
designed by two sisters; has won a design prize; can be returned for a year; comes in nine colours; is checked by
hand; supports a school with every sale; is made to order; comes with free repairs for life; uses only local
materials; takes up hardly any space; got top marks in a consumer test; needs no instructions; makes a lovely present;
cleans up with a damp cloth; has been copied but never matched; lasts longer than its owner
""")
AUDIENCES = _bank("""
a curious seven-year-old; someone who left school at sixteen; a class of ten-year-olds; visitors to a small museum; a
grandmother who loves gardening; new apprentices in a workshop; tourists on a guided walk; a busy parent at the dinner
table; a friend who hates science; listeners of a breakfast show; a book club of nurses; readers of a parish
newsletter; a teenager who asks why about everything; an adult learner of English; guests on a whale-watching boat; a
group of scouts; passengers on a long bus ride; a panel of retired engineers; pupils who missed the lesson; a hiker
resting at a hut; the staff of a call centre; a neighbour over the garden fence; somebody recovering in hospital;
first-year students of law; customers waiting in a queue; a jury of children; a farmer with little time; a visitor
from a desert country
""")
OCCASIONS = _bank("""
for the back of a cereal box; for a card in a waiting room; for the school newsletter; for a sign beside a footpath;
for a two-minute speech; for an answer in an exam; for a podcast introduction; for a bedtime chat; for a quiz show
host; for a museum label; for a letter to a pen friend; for a science club poster; for a tour guide's notebook; for a
children's almanac; for the staff magazine; for a short radio piece; for a village website; for a lesson on the first
day; for a debate club; for a card game about nature; for a volunteer handbook; for a column called Small Wonders; for
a talking point at supper; for a family calendar
""")
FACTS = _pairs("""
why leaves turn yellow in autumn => In autumn trees stop making the green chlorophyll that feeds them. As the green
fades, yellow colours that were in the leaf all along come into view. || why the sea has tides => The Moon pulls on
the water of the oceans and raises a bulge on the near and the far side of the Earth. As the Earth turns, coasts pass
through these bulges and the water rises and falls. || how a rainbow forms => Sunlight bends as it enters a raindrop,
is reflected inside and bends again as it leaves. Each colour bends by a slightly different angle, so they spread into
a bow. || why bread dough rises => Yeast feeds on sugars in the flour and gives off carbon dioxide. The stretchy
gluten traps the gas in bubbles, so the dough swells. || why onions make us cry => Cutting an onion breaks its cells
and releases a sulphur gas. The gas meets the water in our eyes, forms a mild acid, and tears wash it away. || how
bees make honey => Bees collect nectar, pass it from mouth to mouth and add enzymes that change its sugars. In the
comb they fan it with their wings until enough water has gone and it is thick. || why ice floats on water => Water
expands when it freezes, because its molecules lock into an open lattice. The same weight takes up more room, so ice
is less dense and floats. || why we have leap years => The Earth takes about 365 and a quarter days to go around the
Sun. An extra day nearly every four years keeps the calendar in step with the seasons. || how vaccines protect people
=> A vaccine shows the immune system a harmless piece or form of a germ. The body remembers it and reacts quickly if
the real germ arrives. || why the sky looks blue => Air scatters the short blue waves of sunlight far more than the
long red ones. Blue light therefore reaches our eyes from every part of the sky. || how a compass finds north => The
Earth behaves like a large weak magnet. A compass needle is a small magnet that turns freely until it lines up with
that field. || why thunder follows lightning => Lightning heats the air so suddenly that it expands with a bang. Light
reaches us almost at once, while the sound travels only about a third of a kilometre each second. || how soap removes
grease => One end of a soap molecule holds on to water and the other end to fat. Soap surrounds tiny drops of grease
so that water can carry them away. || why cats purr => Cats purr by making the muscles of their voice box twitch
rapidly as they breathe. They do it when content, and also to calm themselves when hurt or afraid. || why metal feels
colder than wood => Metal conducts heat away from the hand much faster than wood does. Both have the same temperature,
but the skin notices the quicker loss. || how seeds know which way is up => Special cells in the young root hold heavy
grains that sink with gravity. The root grows the way they sink, and the shoot grows the other way. || why stars
twinkle => Starlight passes through layers of moving air that bend it this way and that. The point of light seems to
flicker, although the star shines steadily. || how a thermos keeps tea hot => A thermos has two walls with almost no
air between them, so little heat can be conducted or carried off. Shiny surfaces reflect heat rays back inside. || why
salt melts ice on roads => Salt dissolves in the thin film of water on the ice and lowers its freezing point. The ice
then melts although the air is a little below zero. || how coral reefs are built => Coral polyps are tiny animals that
build cups of limestone around themselves. Over centuries the cups of countless generations pile up into a reef. ||
why we yawn when others do => Seeing a yawn sets off the same action in many people, most of all among those who are
close. Researchers link it to empathy, but the exact purpose is still debated. || how a lock lifts a boat => A boat
enters a chamber and the gates close behind it. Water runs in from the upper side until the level inside matches it,
and the front gates open. || why bicycles stay upright when moving => A rolling bicycle steers slightly into any lean,
which brings the wheels back under the rider. The rider helps with small corrections without thinking. || why popcorn
pops => Each kernel holds a little water inside a hard shell. Heat turns the water to steam until the pressure bursts
the shell and the starch puffs out. || how owls fly silently => The front edge of an owl's wing has comb-like fringes
that break up the rushing air. Soft feathers on the wing muffle what noise is left. || why the Moon shows us one face
=> The Moon turns once on its axis in the same time that it takes to circle the Earth. The same half therefore always
points towards us. || how yoghurt is made => Warm milk is mixed with helpful bacteria that turn milk sugar into lactic
acid. The acid thickens the milk proteins and gives yoghurt its sour taste. || why deserts are cold at night => Dry
air and clear skies hold back very little heat. Once the Sun has set, the warmth of the ground escapes quickly into
space. || how echoes arise => Sound waves bounce off hard, distant surfaces such as cliffs. If the reflection takes
more than about a tenth of a second to return, we hear it separately. || why iron rusts => Iron reacts with oxygen and
water and forms a reddish oxide. The oxide flakes off, so fresh metal is exposed and the rusting goes on. || how
glaciers move => Snow piles up and is pressed into ice that slowly flows under its own weight. Meltwater at the bottom
also lets the glacier slide over the rock. || why chillies taste hot => Chillies contain capsaicin, which triggers the
same nerve endings that warn us of heat. The mouth reports burning although nothing is hot. || how spiders avoid their
own glue => Spiders walk mostly on the dry threads of a web, and only some threads are sticky. Fine hairs and an oily
coating on their feet do the rest. || why old bridges have arches => An arch turns the load above it into pressure
that runs down into the supports. Stone bears pressure well, so an arch needs no mortar strong in tension. || how
paper is recycled => Waste paper is soaked and beaten into a pulp, and ink and staples are removed. The clean pulp is
spread on a screen, pressed and dried into new sheets. || why we need sleep => During sleep the brain sorts memories
and clears away waste. The body uses the time to repair tissue and to regulate hormones.
""")
COMPARISONS = _rows("""
gas hobs => induction hobs => react at once and suit any pan, but leave fumes in the room => are safer and more
efficient, but need pans with a magnetic base || paper books => e-readers => need no power and can be lent or sold =>
hold a whole library and let the reader enlarge the type || trains => planes => arrive in the middle of town and use
far less energy => are faster over long distances but need time at the airport || cotton sheets => linen sheets => are
soft from the first night and cost less => feel cool in summer and last for decades || cats => dogs => manage on their
own for a day and need little space => want company and walks, and repay them with loyalty || renting a flat => buying
a flat => leaves you free to move and spares you repairs => builds up property but ties down money || mechanical
watches => quartz watches => can be repaired for generations but drift by seconds a day => are cheap and precise but
need a battery || wood stoves => heat pumps => work without electricity but make smoke and ash => heat cleanly and
cheaply but cost more to install || small classes => large classes => give each pupil more attention => cost less and
offer more different partners to work with || bar soap => liquid soap => lasts longer and needs hardly any packaging
=> is easy to share and to portion || laptops => desktop computers => can be carried anywhere but are harder to repair
=> offer more power for the money but stay where they are || tents => camper vans => are cheap and take you off the
road => stay dry and ready but need a parking place and fuel || annual flowers => perennial flowers => bloom all
summer but must be sown again each year => come back on their own but flower for a shorter time || working from home
=> working in an office => saves the journey and allows quiet work => makes it easy to meet people and to end the
working day || glass jars => plastic boxes => do not take on smells and can be boiled => weigh little and do not break
|| cash => bank cards => keeps spending visible and works in a power cut => are quick and leave a record of each
payment || buses => trams => can change their route at short notice => carry more people and run on rails without
fumes || podcasts => newspapers => can be enjoyed while cooking or walking => can be skimmed and clipped at your own
pace || rye bread => white bread => keeps for a week and fills you up => is light and mild but goes stale quickly ||
electric bicycles => ordinary bicycles => flatten hills and headwinds but need charging => are light, cheap and simple
to repair || vinyl flooring => wooden flooring => is cheap and does not mind water => can be sanded and used for a
lifetime || group lessons => private lessons => cost less and bring company => move at the learner's own speed ||
steel pans => non-stick pans => brown food well and last for ever => let eggs slide off but wear out in a few years ||
tap water => bottled water => costs next to nothing and makes no waste => can be bought where the tap is not safe
""")
SUBJECTS = _bank("""
the tired potter; my oldest cousin; a nervous goalkeeper; the new librarian; an elderly sailor; the village baker; our
geography teacher; a clumsy waiter; the tall surgeon; a lost tourist; the orchestra's drummer; a patient gardener; the
youngest judge; a hungry student; the night porter; an honest mechanic; the proud inventor; a barefoot dancer; the
retired pilot; a shy painter; the choir's soprano; an early customer; the absent landlord; a generous widow; the
stubborn farmer; a careful plumber; the rival captain; a famous chef; the quiet neighbour; an amateur astronomer
""")
PAST_VERBS = _pairs("""
sell => sold || buy => bought || hide => hid || find => found || repair => repaired || forget => forgot || borrow =>
borrowed || lose => lost || polish => polished || steal => stole || bring => brought || choose => chose || paint =>
painted || break => broke || carry => carried || clean => cleaned || return => returned || wrap => wrapped || drop =>
dropped || describe => described || admire => admired || sketch => sketched || weigh => weighed || lend => lent
|| examine => examined || keep => kept
""")
PARTICIPLES = {"hid": "hidden", "forgot": "forgotten", "stole": "stolen", "chose": "chosen", "broke": "broken"}
OBJECTS = _bank("""
a copper lamp; the green umbrella; a wooden flute; the heavy suitcase; a silver spoon; the broken clock; a velvet
curtain; the last ticket; a basket of pears; the rusty anchor; a leather notebook; the spare key; a porcelain cup; the
faded flag; a box of matches; the marble statue; a pair of skates; the antique mirror; a bundle of letters; the golden
trophy; a jar of olives; the stone bench; a woollen hat; the cracked bell; a crate of oranges; the tiny violin; a
striped parasol; the iron gate; a crystal vase; the torn sail
""")
SPOTS = _bank("""
behind the station; near the fountain; in the attic; on the terrace; beside the canal; under the stairs; outside the
bakery; at the border; in the lighthouse; on the beach; between the tents; next to the chapel; in a dark cellar; along
the coast; by the reception desk; at the flea market; inside the barn; across the street; above the shop; in the
courtyard; before breakfast; after the concert; during the storm; on Tuesday; at midnight; before the match; on the
last day; in the rain; after lunch; without a word
""")
WORDS = _bank("""
violin; tea; carpet; moon; harbour; pencil; winter; orange; ladder; castle; mirror; button; thunder; olive; rocket;
kitchen; feather; granite; island; jacket; kettle; lantern; meadow; needle; oyster; pepper; quarry; ribbon; saddle;
tunnel; umbrella; village; walnut; yacht; zebra; anchor; basket; candle; desert; engine; forest; garden; hammer;
insect; jungle; kingdom; lemon; marble; nutmeg; oven; parrot; quilt; river; silver; timber; valley; window; yeast;
almond; bridge; copper; dragon; eagle; fiddle; glacier; honey; ivory; jewel; lobster; magnet; nest; orchard; pirate;
raven; sugar; tiger; vinegar; whistle; apron; barrel; cotton; dolphin; elbow; furnace; goblet; hedge; igloo; jigsaw;
lizard; mustard; napkin; opal; puzzle; quiver; radish; sponge; trumpet; velvet; wagon; acorn
""")
CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruit": _bank("apple; pear; cherry; plum; mango; banana; peach; apricot; papaya; quince; fig; melon"),
    "tool": _bank("hammer; saw; chisel; screwdriver; wrench; pliers; spanner; plane; drill"),
    "musical instrument": _bank("violin; cello; flute; trumpet; oboe; harp; clarinet; tuba; banjo; bassoon; accordion"),
    "bird": _bank("sparrow; heron; owl; robin; swallow; magpie; finch; pelican; stork; wren; falcon"),
    "metal": _bank("iron; copper; zinc; tin; nickel; silver; gold; lead; aluminium; titanium"),
    "vehicle": _bank("lorry; tram; bus; scooter; bicycle; ferry; van; taxi; tractor; motorcycle"),
    "vegetable": _bank("carrot; leek; spinach; cabbage; parsnip; celery; turnip; broccoli; kale; beetroot"),
    "item of clothing": _bank("scarf; jacket; trousers; blouse; sock; coat; skirt; glove; cardigan; shirt"),
    "country": _bank("Portugal; Kenya; Norway; Peru; Japan; Egypt; Chile; Vietnam; Estonia; Ghana; Canada"),
    "piece of furniture": _bank("wardrobe; sofa; armchair; bookcase; stool; table; bench; cupboard; desk; dresser"),
    "tree": _bank("oak; birch; willow; maple; beech; spruce; poplar; larch; elm; alder"),
    "fish": _bank("salmon; trout; herring; cod; tuna; mackerel; carp; pike; sardine; haddock"),
    "sport": _bank("rugby; tennis; judo; hockey; rowing; fencing; archery; volleyball; badminton; cricket"),
    "weather word": _bank("drizzle; hail; fog; thunder; sleet; breeze; frost; snow; sunshine; mist"),
}
PRAISE = _bank("""
the staff greeted us with a smile; everything was spotless; I would come back tomorrow; it arrived a day early; the
quality is superb; my children loved every minute; it was worth every penny; they fixed it in ten minutes; the taste
was wonderful; I felt well looked after; the advice was excellent; it still works perfectly after a year
""")
BLAME = _bank("""
nobody answered the phone; the floor was filthy; I want my money back; it broke on the first day; we waited for over
an hour; the waiter was rude to my mother; it was far too expensive; the smell was unbearable; half of the order was
missing; they ignored my complaint; the instructions made no sense; I regret buying it
""")
FEEDBACK = _bank("""
comment cards; online reviews; short emails; text messages; survey answers; guest book entries; forum posts; notes
from the suggestion box; chat messages; replies to the newsletter; voicemail transcripts; postcards
""")
LANGUAGES = {
    "French": _bank("""
Le train part à huit heures.; Je voudrais un café, s'il vous plaît.; Il pleut depuis ce matin.; Ma sœur habite près de
la gare.; Nous avons fermé la fenêtre.
"""),
    "Spanish": _bank("""
El tren sale a las ocho.; Quisiera un café, por favor.; Llueve desde esta mañana.; Mi hermana vive cerca de la
estación.; Hemos cerrado la ventana.
"""),
    "German": _bank("""
Der Zug fährt um acht Uhr ab.; Ich möchte bitte einen Kaffee.; Es regnet seit heute Morgen.; Meine Schwester wohnt in
der Nähe des Bahnhofs.; Wir haben das Fenster geschlossen.
"""),
    "Italian": _bank("""
Il treno parte alle otto.; Vorrei un caffè, per favore.; Piove da stamattina.; Mia sorella abita vicino alla
stazione.; Abbiamo chiuso la finestra.
"""),
}
PHRASES = _bank("""
The train leaves at eight.; I would like a coffee, please.; It has been raining since this morning.; My sister lives
near the station.; We have closed the window.
""")
TRUE_FACTS = _bank("""
The Danube flows into the Black Sea; Water boils at a lower temperature on high mountains; Spiders have eight legs; A
triangle has three sides; Copper conducts electricity; Iceland lies in the Atlantic Ocean; Penguins lay eggs; The Moon
has no air to breathe; Gold is heavier than wood; Bats are mammals; Light travels faster than sound; Bread dough rises
because of yeast; An octopus has three hearts; Madrid is the capital of Spain; Salt dissolves in water; A leap year
has 366 days; Whales breathe air; Venus is closer to the Sun than Mars; Honey is made by bees; The Sahara is a desert;
Potatoes grow underground; Diamonds are made of carbon; A dozen is twelve; Lisbon lies in Portugal
""")
FALSE_FACTS = _bank("""
The Danube flows into the North Sea; Water freezes at fifty degrees Celsius; Spiders have six legs; A hexagon has five
sides; Wood is a metal; Iceland lies in the Pacific Ocean; Penguins live at the North Pole; The Moon is larger than
the Earth; Iron floats on water; Bats are birds; Sound travels faster than light; Cheese is made from rice; An octopus
has a backbone; Lyon is the capital of Italy; Sand dissolves in water; A leap year has 360 days; Whales breathe
through gills; Mercury is the planet farthest from the Sun; Honey is made by ants; The Sahara is an ocean; Bananas
grow underground; Glass is made of milk; A dozen is ten; Oslo lies in Greece
""")
OPINIONS = _bank("""
Nobody makes better soup than my aunt; Winter is the loveliest season; Trains are more romantic than planes; Green is
a calming colour for a hall; Chess is more exciting than football; Old houses have more charm than new ones; Cats are
better company than dogs; The new library is ugly; Everybody should learn to play the flute; Lisbon is more beautiful
than Rome; Breakfast is the best meal of the day; Short novels are the best novels; Bread should never be sliced;
Summer concerts are too loud; The old logo looked friendlier; Rainy days are underrated
""")
URGENCY: dict[str, tuple[str, ...]] = {
    "high": _bank("""
There is a smell of gas in the kitchen; Water is pouring through the ceiling right now; The front door will not lock
and we leave tonight; Sparks are coming out of the socket; The alarm has not stopped for an hour and nobody can work;
My father is stuck in the lift; All customer records have vanished and we open in ten minutes
"""),
    "medium": _bank("""
The heating in one bedroom stays cold; My parcel is two days late; The printer jams on every tenth page; I was charged
twice and would like it sorted out this week; The side gate does not close properly; My login stopped working, but I
can use a colleague's screen until Thursday
"""),
    "low": _bank("""
Could you tell me your opening hours over the holidays; The logo on your website looks a little blurred; I would like
a second copy of last year's invoice some time; A light bulb in the cellar has a different colour from the rest; I
have an idea for your newsletter; Please change the spelling of my street when you have time
"""),
}
SPAM = _bank("""
You have WON a holiday worth $5,000, click here within ten minutes; Cheap pills, no prescription, order today; Your
account is locked, send your password to unlock it; Make $900 a day from home with this one secret; Final notice:
claim your free phone now; A prince needs your help to transfer two million; Hot stock tip, buy before midnight and
get rich; Congratulations, you are our lucky visitor, pay only the shipping fee; Lose ten kilos in three days,
guaranteed
""")
HAM = _bank("""
The meeting on Thursday starts at ten instead of nine; Thank you for the photographs, the one with the boat is lovely;
Your table for four is booked for Saturday at seven; Please find the minutes of last night's meeting below; Can you
feed the cat while we are away; The plumber comes tomorrow between eight and ten; Here is the recipe for the lentil
soup you asked about; Your library books are due on Monday; Happy birthday, and see you at the harbour on Sunday
""")
DEPARTMENTS: dict[str, tuple[str, ...]] = {
    "billing": _bank("""
I was charged twice for my March order; The invoice shows the wrong company name; When will the refund reach my bank
account; Your reminder says I owe $40, but I paid last week
"""),
    "delivery": _bank("""
The tracking page says it arrived, but nothing has come; Can the parcel be left with my neighbour; The courier put the
box in the rain; I moved house and need the order sent to the new address
"""),
    "repairs": _bank("""
The screen flickers when I close the lid; One of the wheels came off after a week; It makes a grinding noise and then
stops; The handle is loose again although it was fixed in May
"""),
}
INTENTS: dict[str, tuple[str, ...]] = {
    "question": _bank("""
Do you open on Sundays?; Is the blue one still in stock?; How long does the guarantee last?; Which bus stops near you?
"""),
    "complaint": _bank("""
The soup was cold and nobody apologised.; My coat came back with a stain.; I have waited three weeks for an answer.;
The room was loud and smelled of smoke.
"""),
    "praise": _bank("""
Your driver was kindness itself.; Best plum cake in town, thank you!; The repair was quick and perfect.; We had a
marvellous evening.
"""),
    "booking": _bank("""
Please reserve a table for six on Friday.; I would like an appointment next Tuesday at nine.; Put me down for two
places on the course.; We need a double room from the 4th to the 7th.
"""),
}
POLITE = _pairs("""
Send me the report by noon. => Could you please send me the report by noon? || Move your car. => Would you mind moving
your car, please? || You are too loud. => Could I ask you to be a little quieter, please? || Call me back today. => I
would be grateful if you could call me back today. || Give me the bill. => Could we have the bill, please? || Close
the window. => Would you be so kind as to close the window? || I want my money back. => I would like to ask for a
refund, please. || You forgot my order. => I am afraid my order may have been overlooked; could you please check? ||
Wait here. => Would you please wait here for a moment? || Stop parking in front of our gate. => Could you please leave
the space in front of our gate free? || Tell me your name. => May I ask your name, please? || I can't come on Friday.
=> I am sorry, but unfortunately I cannot come on Friday. || Read the instructions first. => May I suggest reading the
instructions first? || This is wrong, do it again. => I think there may be a mistake here; could you please take
another look?
""")
FORMAL = _pairs("""
Hey, can't make it tomorrow, sorry! => I regret to inform you that I will not be able to attend tomorrow. || Thanks a
lot for the quick fix. => Thank you very much for resolving the matter so promptly. || We need more folks for the
night shift. => We require additional staff for the night shift. || The thing you sent is busted. => The item that you
sent is defective. || Let me know asap. => Please inform me at your earliest convenience. || No worries, we'll sort it
out. => Please be assured that we will resolve the matter. || Got your letter, will get back to you. => We have
received your letter and will reply in due course. || The boss is fed up with the mess. => The manager is dissatisfied
with the disorder. || Gonna be late, traffic is awful. => I expect to be late owing to heavy traffic. || Can you chip
in for the party? => Would you be willing to contribute to the celebration? || It'll cost loads. => It is likely to be
expensive. || Sorry for the mix-up! => We apologise for the confusion.
""")
ERRORS = _pairs("""
She go to the market every Friday. => She goes to the market every Friday. || He don't like cold soup. => He doesn't
like cold soup. || The childrens are playing outside. => The children are playing outside. || I have saw that film
twice. => I have seen that film twice. || Their is a hole in the bucket. => There is a hole in the bucket. || We was
late for the concert. => We were late for the concert. || Its raining, so take your coat. => It's raining, so take
your coat. || This bag is more heavier than mine. => This bag is heavier than mine. || She buyed three lemons. => She
bought three lemons. || Me and him repaired the gate. => He and I repaired the gate. || Your the first to arrive. =>
You're the first to arrive. || I could of helped you. => I could have helped you. || The news are good today. => The
news is good today. || An unicorn stood at the gate. => A unicorn stood at the gate.
""")
TRIPS = _bank("""
a week of hut-to-hut hiking; a night on a sleeper train; a canoe trip down a slow river; a weekend at the seaside; a
move to a smaller flat; a school visit to the planetarium; a winter day on skis; a business trip of three days; a
cycling tour along a canal; a month as an au pair; a first visit to the opera; a bird-watching morning; a hospital
stay of four days; a garden party for fifty; a house swap with strangers; a three-day language camp; a job interview
in another town; a sailing course for beginners; a camping night with children; a long drive with an old dog; a flea
market stall; a marathon in spring; a baking day with six children; a winter without central heating
""")
CONCERNS = _pairs("""
very little money => Ask friends to lend what would otherwise have to be bought || heavy rain => Put a rain cover and
dry socks within reach || a bad knee => Plan a rest every hour and pack a bandage || no mobile signal => Write the
important phone numbers on paper || a child who gets bored => Bring a pack of cards and a small surprise || food
allergies => Carry safe snacks and a card that names the allergy || only one small bag => Choose clothes that can be
worn twice || a very early start => Lay everything out by the door the evening before || noisy surroundings => Take
earplugs for the night || a strict timetable => Note each time and keep a quarter of an hour in reserve || poor
eyesight => Print the details in large type || fear of forgetting something => Tick off each thing as it is packed ||
a hot spell => Take twice as much water as seems necessary || a helper who may cancel => Agree on a second person who
can step in || a fear of crowds => Choose quiet hours and know where the exits are || a broken suitcase => Borrow a
rucksack or tape up the suitcase now
""")
CHORES = _bank("""
baking rolls for the neighbours; an hour of Spanish; a walk by the river; sorting old photographs; answering letters;
cleaning the oven; practising the cello; weeding the front garden; a visit to the optician; mending two shirts;
reading to a grandchild; a swim at the outdoor pool; phoning the landlord; painting the fence; cooking a pot of soup;
a nap; testing a new recipe; sharpening the kitchen knives; a stroll through the market; tidying the shed; writing a
diary page; repairing a puncture; a game of chess; planning the week's meals
""")
CUSTOMERS = _bank("""
visitors; orders; phone calls; bookings; new members; repairs; loans; parcels; complaints; newsletter readers;
vouchers sold; test lessons; guests; returned items; questions by email; online sales
""")
MONTHS = _bank("January; February; March; April; May; June; July; August; September; October; November; December")
DEEDS = _bank("""
planted the first tulips; signed the lease; started a diary; gave up sugar; adopted a greyhound; opened a savings
account; ordered the new oven; began training for a marathon; lent out the ladder; put the cider in the barrel; booked
the ferry; took the car to the garage; sowed the broad beans; joined the rowing club; posted the application; set up
the beehives; rented the trailer; bought the season ticket; moved the piano; stopped smoking
""")
PURPOSES = _bank("""
who is packing for a flight; who is building a garden shed; who follows a foreign cookbook; who writes a travel blog;
who is sewing curtains; who is filling in a customs form; who trains for a race; who is sizing a fish tank; who mixes
plaster; who is checking a delivery note; who rents a van abroad; who reads an old ship's log; who prepares a quiz;
who is planning a hike; who labels jars; who teaches an evening class; who is ordering fabric online; who tests an
antique scale
""")
DISHES = _bank("""
lentil soup; plum cake; potato gratin; fish pie; mushroom risotto; apple crumble; vegetable curry; bean stew; lemon
tart; onion soup; rice pudding; pumpkin bread; chickpea salad; noodle casserole; spinach dumplings; walnut biscuits
""")
INGREDIENTS = _bank("""
flour; sugar; butter; red lentils; potatoes; rice; chickpeas; onions; carrots; walnuts; oats; spinach; mushrooms;
grated cheese; plums; noodles
""")
QUALITIES = _bank("""
patience with customers; a driving licence; a steady hand; good spoken Spanish; an eye for colour; experience with
children; a head for figures; the will to work at weekends; a friendly telephone voice; physical stamina; neat
handwriting; basic bookkeeping; a love of animals; knowledge of local history; a sense of humour; skill with tools
""")
PERKS = _bank("""
free lunch every day; a four-day week; a rail pass; a room above the shop; paid training; two extra days of holiday; a
share of the profits; flexible hours in the school holidays; a company bicycle; free use of the workshop; a language
course; a warm, quiet workplace
""")
STORY_THINGS = _bank("""
a key that fits no door; a letter dated tomorrow; a suitcase full of sand; a clock that runs backwards; an umbrella
that hums; a photograph of a stranger; a single red glove; a ticket to nowhere; a parrot that knows the password; a
cake with a note inside; a compass that points to people; a coat with somebody else's name; a chessboard in mid-game;
a jar of snow in July; a violin without strings; a menu in an unknown language; a lamp that will not go out
""")
MOODS = _bank("funny; mysterious; gentle; melancholy; suspenseful; hopeful; surreal; warm-hearted")
SITUATIONS = _bank("""
has found a hair in the soup; wants to return a lamp without a receipt; cannot decide between two sizes; is angry
about a late delivery; has lost the way; needs a present within ten minutes; asks for a discount for no reason; speaks
only a little English; has come on the wrong day; left a wallet behind; is afraid of the dentist's drill; complains
about the noise next door; brings along a large wet dog; wants to cancel at the last minute; has been charged twice;
asks whether children are allowed; is in tears over a broken vase; arrives after closing time; wants to talk to the
owner; does not trust the machine
""")
MANNERS = _pairs("""
calm and brief => Let me see to that for you at once. || warm and a little funny => Come in, take a breath, and leave
the worrying to me. || strictly formal => Please allow me to attend to the matter immediately. || patient and detailed
=> Let us go through it together, one step at a time. || cheerful => What luck that you came to us, this is easily put
right! || apologetic => I am so sorry about this, and I will make it good. || matter-of-fact => Here is what we can
do. || reassuring => Do not worry, this happens more often than you might think.
""")
HOBBIES = _bank("""
collects old stamps; keeps bees; sings in two choirs; has just learned to knit; repairs clocks; bakes sourdough; walks
long distances; grows chillies; plays chess by post; studies the stars; restores a sailing boat; reads crime novels;
swims in cold lakes; speaks five languages; brews cider; keeps a diary
""")
GIFTS: dict[str, str] = {
    "collects old stamps": "a magnifying glass with a light",
    "keeps bees": "a sturdy hive tool",
    "sings in two choirs": "a leather folder for sheet notes",
    "has just learned to knit": "two balls of undyed wool",
    "repairs clocks": "a set of fine screwdrivers",
    "bakes sourdough": "a proving basket",
    "walks long distances": "a pair of merino socks",
    "grows chillies": "seeds of a rare variety",
    "plays chess by post": "a handsome set of postcards",
    "studies the stars": "a red-light torch",
    "restores a sailing boat": "a good tin of varnish",
    "reads crime novels": "a novel by a local author",
    "swims in cold lakes": "a warm changing robe",
    "speaks five languages": "a phrase book of a sixth language",
    "brews cider": "a set of swing-top bottles",
    "keeps a diary": "a linen-bound notebook",
}
RELATIVES = _bank("""
a brother-in-law; a favourite aunt; a new flatmate; a shy colleague; a godchild; a former teacher; the neighbour
upstairs; a grandfather of eighty; a best friend; a stepdaughter; the boss; a pen friend; a twin sister; the family
doctor
""")
OFFICE_NOTES = _bank("""
orders are sent out on Mondays only; invoices will be paid in the following week; the workshop is closed; messages are
not forwarded; deliveries are accepted next door; the telephone is not answered; the price list has changed; all
appointments have been confirmed; the new address is on the website; the summer course is fully booked; lost property
is kept at reception; replies may take three days
""")
CONTACTS = _bank("""
call the front desk; use the form on the website; leave a message with the caretaker; write again next week; ask the
trainee for help; post the documents as usual; ring the emergency number on the door; try the branch in the next
street; speak to the deputy manager; send a short text message; look at the list of common questions; drop the key
into the letter box
""")
JOBS = _bank("""
receptionist; bookkeeper; delivery driver; night watchman; trainee; caretaker; sales assistant; cleaner; part-time
helper; weekend manager; customer adviser; workshop assistant; warehouse clerk; social media editor; floor manager;
junior buyer; personal assistant; stand-in cashier
""")
FAULTS = _bank("""
the order arrived three weeks late; half of the parts were missing; the wrong colour was delivered; nobody answered
any calls; the invoice was sent twice; the appointment was forgotten; the promised discount was not given; the repair
lasted one day; the room had not been cleaned; the food was cold; the tickets carried the wrong date; the parcel was
soaked by rain; the guide never turned up; the goods were scratched; the staff were rude; a deposit was not returned;
the sound could not be heard; the seats had been given away
""")
MEALS = _bank("""
a camp supper; a school lunch; a birthday brunch; a harvest buffet; a picnic by the lake; a late breakfast; a street
party; a winter soup kitchen; a church bazaar; a farmers' lunch; a cookery course; a midnight snack bar; a hostel
dinner; a village feast; a garden party; a soup day
""")
FUNCTION_VERBS = _bank("""
check; help; pick; clean; solve; handle; tidy; compute; run; make; apply; inspect; work; step; convert; review
""")
